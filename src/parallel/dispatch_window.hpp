#pragma once

#include <cstddef>

namespace joblib_mpi {

/// Counts the tasks of a call that are under way, and limits their number.
class DispatchWindow {
 public:
  explicit DispatchWindow(std::size_t size) : size_(size == 0 ? 1 : size) {}

  void submitted() noexcept { ++under_way_; }
  void finished() noexcept { --under_way_; }
  [[nodiscard]] bool has_room() const noexcept { return under_way_ < size_; }
  [[nodiscard]] bool empty() const noexcept { return under_way_ == 0; }

 private:
  std::size_t size_;
  std::size_t under_way_ = 0;
};

}  // namespace joblib_mpi
