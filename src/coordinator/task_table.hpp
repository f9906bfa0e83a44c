#pragma once

#include "core/ids.hpp"
#include "core/task_name.hpp"
#include "protocol/messages.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace joblib_mpi {

class CompletionSink;

/// The tasks that are not complete, by id.
class TaskTable {
 public:
  struct Entry {
    CompletionSink* sink;
    TaskName name;
    to_worker::RunTask message;  // kept until the task is complete, because it may have to be sent again
    WorkerId worker{};           // the worker of the last attempt, or the only one that may run the task, if any
    unsigned attempts = 0;
    bool held = false;  // by `worker`
  };

  /// Adds a task and returns its id, which is also set in the entry's message.
  TaskId add(Entry entry) {
    if (free_slots_.empty()) {
      free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t index = free_slots_.back();
    free_slots_.pop_back();
    Slot& slot = slots_[index];
    const TaskId task{index, slot.generation};
    slot.entry.emplace(std::move(entry)).message.task = task;
    return task;
  }

  /// Returns the task, or nullptr if it is complete.
  [[nodiscard]] Entry* find(TaskId task) {
    if (task.slot >= slots_.size()) return nullptr;
    Slot& slot = slots_[task.slot];
    return slot.entry && slot.generation == task.generation ? &*slot.entry : nullptr;
  }

  /// Returns the task if this worker holds it, or nullptr.
  [[nodiscard]] Entry* find_held(TaskId task, WorkerId worker) {
    Entry* entry = find(task);
    return entry != nullptr && entry->held && entry->worker == worker ? entry : nullptr;
  }

  [[nodiscard]] Entry& at(TaskId task) {
    assert(find(task) != nullptr);
    return *slots_[task.slot].entry;
  }

  /// Takes the last items of a batch away from it and adds `parts` tasks for them, or one for each if there are fewer,
  /// which no worker holds. Returns these in the order of their items; none if the batch does not end with these items,
  /// or has no others.
  std::vector<TaskId> divide(TaskId batch, ItemRange items, std::uint32_t parts) {
    ItemRange& kept = at(batch).message.items;
    if (items.count >= kept.count || items.first != kept.first + (kept.count - items.count)) return {};
    kept.count -= items.count;
    const Entry entry{at(batch).sink, at(batch).name, at(batch).message};  // a reference would not outlive `add`
    std::vector<TaskId> added;
    for (parts = std::min(std::max(parts, 1U), items.count); parts > 0; --parts) {
      Entry part = entry;
      part.message.items = {items.first, items.count / parts};
      items.first += part.message.items.count;
      items.count -= part.message.items.count;
      added.push_back(add(std::move(part)));
    }
    return added;
  }

  void remove(TaskId task) {
    assert(find(task) != nullptr);
    slots_[task.slot].entry.reset();
    ++slots_[task.slot].generation;
    free_slots_.push_back(task.slot);
  }

  /// Returns a task that the worker holds, or nullptr.
  [[nodiscard]] const Entry* any_of(WorkerId worker) const {
    for (const Slot& slot : slots_) {
      if (slot.entry && slot.entry->held && slot.entry->worker == worker) return &*slot.entry;
    }
    return nullptr;
  }

  /// Returns the number of tasks that the worker holds.
  [[nodiscard]] std::size_t count_of(WorkerId worker) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        slots_, [&](const Slot& slot) { return slot.entry && slot.entry->held && slot.entry->worker == worker; }));
  }

  [[nodiscard]] std::size_t size() const noexcept { return slots_.size() - free_slots_.size(); }

 private:
  struct Slot {
    std::uint32_t generation = 0;
    std::optional<Entry> entry;  // if in use
  };
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
};

}  // namespace joblib_mpi
