#pragma once

#include <joblib_mpi/ids.hpp>
#include <joblib_mpi/payload.hpp>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace joblib_mpi {

/// What a call gives away with a task.
struct TaskRequest {
  std::uint64_t ticket{};  ///< the call's own number of the task
  std::string name;        ///< of its function, for messages
  Payload arguments;
  std::vector<ObjectId> objects;  ///< that must be on the worker before the task starts
};

class CompletionSink;

/// The tasks that are not complete, by id.
class TaskTable {
 public:
  struct Entry {
    CompletionSink* sink;
    CallId call;
    TaskRequest request;  // without the arguments once they are sent
    WorkerId worker;      // once it is assigned
  };

  [[nodiscard]] TaskId add(Entry entry) {
    if (free_slots_.empty()) {
      free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot].entry = std::move(entry);
    slots_[slot].in_use = true;
    return {slot, slots_[slot].generation};
  }

  [[nodiscard]] Entry& at(TaskId task) {
    assert(slots_.at(task.slot).generation == task.generation);
    return slots_[task.slot].entry;
  }

  void remove(TaskId task) {
    at(task).request = {};
    ++slots_[task.slot].generation;
    slots_[task.slot].in_use = false;
    free_slots_.push_back(task.slot);
  }

  /// A task that the worker holds, or nullptr.
  [[nodiscard]] const Entry* any_of(WorkerId worker) const {
    for (const Slot& slot : slots_) {
      if (slot.in_use && slot.entry.worker == worker) return &slot.entry;
    }
    return nullptr;
  }

  [[nodiscard]] std::size_t size() const noexcept { return slots_.size() - free_slots_.size(); }

 private:
  struct Slot {
    std::uint32_t generation = 0;
    bool in_use = false;
    Entry entry;
  };
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
};

}  // namespace joblib_mpi
