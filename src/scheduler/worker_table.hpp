#pragma once

#include "core/ids.hpp"

#include <cstddef>
#include <limits>
#include <optional>
#include <vector>

namespace joblib_mpi {

/// The workers by how many tasks they hold. Finding the least loaded one takes time in the number of distinct loads
/// (at most the credits), not of workers. Among equals the one that has waited longest is chosen.
class WorkerTable {
 public:
  void add(WorkerId worker);
  /// Whatever it holds.
  void remove(WorkerId worker);
  void increment(WorkerId worker) { move(worker, at(worker).load + 1); }
  void decrement(WorkerId worker) { move(worker, at(worker).load - 1); }
  /// Takes a worker that holds nothing out of all choices: it is full until `set_free`.
  void set_full(WorkerId worker);
  void set_free(WorkerId worker) { append(worker.value, 0); }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool contains(WorkerId worker) const noexcept {
    return index(worker) < entries_.size() && entries_[index(worker)].load != absent;
  }
  [[nodiscard]] std::size_t load(WorkerId worker) const { return entries_.at(index(worker)).load; }
  /// A worker that holds fewest tasks, if that is less than `limit`; another than `avoided` if one holds as few.
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
  };

  static std::size_t index(WorkerId worker) { return static_cast<std::size_t>(worker.value); }
  Entry& at(WorkerId worker) { return entries_[index(worker)]; }
  void move(WorkerId worker, std::size_t load);
  void append(int worker, std::size_t load);
  void unlink(int worker);

  std::vector<Entry> entries_;  // by worker id
  std::vector<List> by_load_;
  std::size_t count_ = 0;
};

}  // namespace joblib_mpi
