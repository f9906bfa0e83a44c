#pragma once

#include "core/ids.hpp"

#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

namespace joblib_mpi {

/// The workers, ordered by the number of tasks that they hold. The least loaded one is found in constant time, as long
/// as loads change by one. Among workers with equal load the one that has waited longest is chosen.
class WorkerTable {
 public:
  void add(WorkerId worker);
  /// Removes the worker, even if it holds tasks.
  void remove(WorkerId worker);
  void increment(WorkerId worker) { move(worker, at(worker).load + 1); }
  void decrement(WorkerId worker) { move(worker, at(worker).load - 1); }
  /// Excludes a worker that holds nothing from all choices: it counts as full until `set_free`.
  void set_full(WorkerId worker);
  void set_free(WorkerId worker) { append(worker.value, 0); }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool contains(WorkerId worker) const noexcept {
    return index(worker) < entries_.size() && entries_[index(worker)].load != absent;
  }
  [[nodiscard]] std::size_t load(WorkerId worker) const { return entries_.at(index(worker)).load; }
  /// Returns the number of tasks that the worker holds behind the first one; a worker that counts as full has none.
  [[nodiscard]] std::size_t waiting(WorkerId worker) const {
    const std::size_t load = this->load(worker);
    return load == 0 || load == full ? 0 : load - 1;
  }
  /// Returns the number of workers that hold nothing.
  [[nodiscard]] std::size_t idle() const noexcept { return by_load_.empty() ? 0 : by_load_.front().size; }
  /// Returns the largest number of tasks that a worker holds, those left out that count as full.
  [[nodiscard]] std::size_t most_held() const noexcept;
  /// Returns a worker that holds the fewest tasks, if these are fewer than `limit`; prefers one other than `avoided`
  /// among equals.
  [[nodiscard]] std::optional<WorkerId> least_loaded(std::size_t limit, std::optional<WorkerId> avoided = {}) const;

 private:
  static constexpr int none = -1;
  static constexpr std::size_t absent = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t full = absent - 1;
  struct Entry {  // a link in the list of the workers with the same load
    std::size_t load = absent;
    int previous = none;
    int next = none;
  };
  struct List {
    int first = none;
    int last = none;
    std::size_t size = 0;
  };

  static std::size_t index(WorkerId worker) { return static_cast<std::size_t>(worker.value); }
  Entry& at(WorkerId worker) { return entries_[index(worker)]; }
  void move(WorkerId worker, std::size_t load);
  void append(int worker, std::size_t load);
  void unlink(int worker);

  std::vector<Entry> entries_;  // by worker id
  std::vector<List> by_load_;
  // No worker holds fewer tasks than `least_`, or more than `most_`; they are brought up to date when they are read.
  mutable std::size_t least_ = 0;
  mutable std::size_t most_ = 0;
  std::size_t count_ = 0;
};

}  // namespace joblib_mpi
