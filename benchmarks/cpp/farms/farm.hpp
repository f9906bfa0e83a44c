#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// What each task does: nothing for 0, otherwise this many turns of a loop. Returns `turns + 1`.
std::uint32_t work(std::uint32_t turns);

/// A way to run tasks on the ranks of a communicator.
class Farm {
 public:
  explicit Farm(std::string name) : name_(std::move(name)) {}
  virtual ~Farm() = default;
  Farm(const Farm&) = delete;
  Farm& operator=(const Farm&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Runs `work(turns)` for each of the tasks on the other ranks. To be called on all ranks with the same tasks.
  /// Returns the results in the order of the tasks on rank 0, and nothing elsewhere.
  virtual std::vector<std::uint32_t> run(std::span<const std::uint32_t> tasks) = 0;

 private:
  std::string name_;
};
