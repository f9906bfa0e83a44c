#pragma once

#include <joblib_mpi/ids.hpp>

#include <cstddef>
#include <optional>
#include <vector>

namespace joblib_mpi {

/// The workers by how many tasks they hold. Finding the least loaded one takes time in the number of distinct loads
/// (at most the credits), not of workers. Among equals the one that has waited longest is chosen.
class WorkerTable {
 public:
  void add(WorkerId worker);
  void increment(WorkerId worker) { move(worker, at(worker).load + 1); }
  void decrement(WorkerId worker) { move(worker, at(worker).load - 1); }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] std::size_t load(WorkerId worker) const { return entries_.at(index(worker)).load; }
  /// A worker that holds fewest tasks, if that is less than `limit`.
  [[nodiscard]] std::optional<WorkerId> least_loaded(std::size_t limit) const;

 private:
  static constexpr int none = -1;
  struct Entry {  // a link in the list of the workers with the same load
    std::size_t load = 0;
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
