#include "scheduler/worker_table.hpp"

#include <algorithm>
#include <cassert>

namespace joblib_mpi {

void WorkerTable::add(WorkerId worker) {
  assert(worker.value >= 0);
  if (entries_.size() <= index(worker)) entries_.resize(index(worker) + 1);
  append(worker.value, 0);
  ++count_;
}

void WorkerTable::remove(WorkerId worker) {
  if (at(worker).load != full) unlink(worker.value);
  at(worker) = {};
  --count_;
}

void WorkerTable::set_full(WorkerId worker) {
  assert(load(worker) == 0);
  unlink(worker.value);
  at(worker).load = full;
}

std::optional<WorkerId> WorkerTable::least_loaded(std::size_t limit, std::optional<WorkerId> avoided) const {
  while (least_ < most_ && by_load_[least_].size == 0) ++least_;
  const std::size_t end = std::min(limit, by_load_.size());
  for (std::size_t load = least_; load < end; ++load) {
    const int first = by_load_[load].first;
    if (first == none) continue;
    const bool another = avoided == WorkerId{first} && entries_[static_cast<std::size_t>(first)].next != none;
    return WorkerId{another ? entries_[static_cast<std::size_t>(first)].next : first};
  }
  return std::nullopt;
}

std::size_t WorkerTable::most_held() const noexcept {
  while (most_ > 0 && by_load_[most_].size == 0) --most_;
  return most_;
}

void WorkerTable::move(WorkerId worker, std::size_t load) {
  unlink(worker.value);
  append(worker.value, load);
}

void WorkerTable::append(int worker, std::size_t load) {
  if (by_load_.size() <= load) by_load_.resize(load + 1);
  List& list = by_load_[load];
  entries_[static_cast<std::size_t>(worker)] = Entry{load, list.last, none};
  (list.last == none ? list.first : entries_[static_cast<std::size_t>(list.last)].next) = worker;
  list.last = worker;
  ++list.size;
  least_ = std::min(least_, load);
  most_ = std::max(most_, load);
}

void WorkerTable::unlink(int worker) {
  const Entry& entry = entries_[static_cast<std::size_t>(worker)];
  List& list = by_load_[entry.load];
  (entry.previous == none ? list.first : entries_[static_cast<std::size_t>(entry.previous)].next) = entry.next;
  (entry.next == none ? list.last : entries_[static_cast<std::size_t>(entry.next)].previous) = entry.previous;
  --list.size;
}

}  // namespace joblib_mpi
