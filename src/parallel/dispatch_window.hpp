#pragma once

#include <cstddef>
#include <limits>
#include <unordered_map>

namespace joblib_mpi {

/// Counts the tasks of a call that are under way and the bytes of large arguments among them, and limits both.
class DispatchWindow {
 public:
  struct Limits {
    std::size_t tasks;  ///< the number of tasks under way
    /// The bytes of large arguments from which only `tasks_beyond_bytes` tasks may be under way.
    std::size_t bytes = std::numeric_limits<std::size_t>::max();
    std::size_t tasks_beyond_bytes = 1;
  };

  explicit DispatchWindow(Limits limits) : limits_(limits) {}

  void submitted() noexcept { ++under_way_; }
  /// Notes the bytes that the arguments of a task take until it has finished. Not needed for small ones.
  void weigh(std::size_t index, std::size_t bytes) {
    std::size_t& known = bytes_by_index_[index];
    bytes_ += bytes - known;
    known = bytes;
  }
  void finished(std::size_t index) noexcept {
    --under_way_;
    if (bytes_by_index_.empty()) return;
    if (const auto found = bytes_by_index_.find(index); found != bytes_by_index_.end()) {
      bytes_ -= found->second;
      bytes_by_index_.erase(found);
    }
  }

  [[nodiscard]] bool has_room() const noexcept {
    return under_way_ < (bytes_ < limits_.bytes ? limits_.tasks : limits_.tasks_beyond_bytes);
  }
  [[nodiscard]] bool empty() const noexcept { return under_way_ == 0; }

 private:
  Limits limits_;
  std::size_t under_way_ = 0;
  std::size_t bytes_ = 0;
  std::unordered_map<std::size_t, std::size_t> bytes_by_index_;  // of tasks with large arguments
};

}  // namespace joblib_mpi
