#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// The warnings of a journal that the user has not seen yet. Thread-safe.
class JournalWarnings {
 public:
  void add(std::string text) {
    const std::lock_guard lock(mutex_);
    texts_.push_back(std::move(text));
  }
  /// Returns the warnings since the last call.
  [[nodiscard]] std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(texts_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> texts_;
};

}  // namespace joblib_mpi
