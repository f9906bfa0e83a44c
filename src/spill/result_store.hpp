#pragma once

#include "core/ids.hpp"
#include "core/spill_place.hpp"
#include "core/task_ending.hpp"
#include "spill/result_format.hpp"
#include "spill/spill_folder.hpp"
#include "spill/spill_policy.hpp"
#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/detail/spill_options.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// Where results go if nobody has said: TMPDIR if all ranks are on one node and it is on disk, else the current folder.
[[nodiscard]] std::string default_spill_folder(bool one_node);

/// Rank 0's side of spilling: says what may spill and where, and takes what did. Used by the coordinator alone.
///
/// A result's file loses its name when rank 0 has it: its pages stay as long as somebody has a part of the result, and
/// no crash leaves them behind. Files that are kept stay, and an `index.h5` beside them links them when the call ends.
class ResultStore {
 public:
  struct Options {
    const ResultFormat* format;
    SpillOptions defaults;  ///< of calls that do not say; the environment's
    std::uint64_t memory_budget_bytes;
    bool one_node = true;  ///< whether TMPDIR is the same on all ranks
  };
  explicit ResultStore(Options options);

  /// Before the call's first task. Throws SpillError if the folder that was asked for cannot be used, and UsageError
  /// for a compression that there is not. Where nobody has asked for a folder and there is none, nothing spills.
  void start_call(CallId call, const SpillOptions& asked);
  /// Nothing of the call comes any more.
  void end_call(CallId call);

  /// Sets what a task's result may do, and says where it may go: the same object as long as it is the same place, null
  /// if it must not spill. `tasks_under_way` is only asked for if it matters.
  template <class CountTasks>
  [[nodiscard]] std::shared_ptr<const SpillPlace> prepare(TaskLimits& task, CallId call,
                                                          CountTasks tasks_under_way) const {
    const auto found = calls_.find(call);
    if (found == calls_.end() || !found->second.place) return nullptr;
    policy_.limit(task, found->second.limits, policy_.expects_memory() ? tasks_under_way() : 0);
    return found->second.place;
  }

  /// A result that has come through memory.
  [[nodiscard]] Payload hold(Payload result) {
    return result.parts.empty() ? std::move(result) : policy_.hold(std::move(result));
  }
  /// The result that a worker has written to a file, of which it has sent the handle. Throws SpillError, and
  /// SerializationError for a handle that is none.
  [[nodiscard]] Payload open(CallId call, std::uint64_t task, ByteView handle);
  /// Nobody wants the result with this handle any more.
  static void discard(ByteView handle) noexcept;

  [[nodiscard]] std::uint64_t held_bytes() const noexcept { return policy_.held_bytes(); }
  /// Whether the results that are held use up the call's budget.
  [[nodiscard]] bool memory_is_full(CallId call) const {
    const auto found = calls_.find(call);
    return found != calls_.end() && policy_.is_full(found->second.limits.memory_budget_bytes);
  }

 private:
  struct Call {
    std::shared_ptr<const SpillPlace> place;
    SpillPolicy::Limits limits;
    bool keep = false;
    bool has_spilled = false;
    std::vector<IndexEntry> kept;
  };
  [[nodiscard]] SpillFolder& folder_in(const std::string& parent);
  [[nodiscard]] std::shared_ptr<const SpillPlace> place_in(const SpillFolder& folder, const std::string& compression);
  void write_index(const Call& call, const std::string& folder) const noexcept;

  Options options_;
  SpillPolicy policy_;
  std::map<std::string, std::unique_ptr<SpillFolder>> folders_;  // by parent
  bool no_default_folder_ = false;                               // and somebody has been told
  std::vector<std::shared_ptr<const SpillPlace>> places_;
  std::unordered_map<CallId, Call> calls_;
};

}  // namespace joblib_mpi
