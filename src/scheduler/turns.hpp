#pragma once

#include "core/ids.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace joblib_mpi {

/// The order in which calls are served: their owners take turns, and the calls of one owner share its turns.
class Turns {
 public:
  void add(CallId call, std::uint64_t owner) {
    auto found = std::ranges::find(owners_, owner, &Owner::number);
    if (found == owners_.end()) found = owners_.insert(found, {owner});
    found->calls.push_back(call);
  }
  /// `call` must have been added.
  void remove(CallId call) {
    const auto has_call = [call](const Owner& owner) { return std::ranges::count(owner.calls, call) > 0; };
    const auto owner = std::ranges::find_if(owners_, has_call);
    assert(owner != owners_.end());
    std::erase(owner->calls, call);
    if (owner->calls.empty()) owners_.erase(owner);
  }

  /// Lets one call after another have its turn, by `serve(CallId)`, until none has a use for it; `serve` returns
  /// whether the call had, and must neither add nor remove calls.
  template <class Serve>
  void go_round(const Serve& serve) {
    for (std::size_t without_use = 0; without_use < owners_.size();) {
      if (next_ >= owners_.size()) next_ = 0;
      without_use = serve_one(owners_[next_++], serve) ? 0 : without_use + 1;
    }
  }

 private:
  struct Owner {
    std::uint64_t number;
    std::vector<CallId> calls = {};
    std::size_t next = 0;  // the call that is served next
  };

  template <class Serve>
  static bool serve_one(Owner& owner, const Serve& serve) {
    for (std::size_t tried = 0; tried < owner.calls.size(); ++tried) {
      if (owner.next >= owner.calls.size()) owner.next = 0;
      if (serve(owner.calls[owner.next++])) return true;
    }
    return false;
  }

  std::vector<Owner> owners_;
  std::size_t next_ = 0;  // the owner that is served next
};

}  // namespace joblib_mpi
