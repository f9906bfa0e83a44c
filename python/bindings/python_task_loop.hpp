#pragma once

#include "executor/task_port.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace joblib_mpi {

/// The loop of `_mpi.WorkerSession` and `_core.ExecutorPort` that runs Python tasks, and the functions that the
/// running task may call. Every function is called with the GIL.
class PythonTaskLoop {
 public:
  /// Makes a loop that takes tasks from `port`, which must outlive it.
  explicit PythonTaskLoop(TaskPort& port) : port_(&port) {}

  /// Passes each task to `run` until the port has no more, and the ids of objects that no task will use again to
  /// `forget`. An exception of either ends the loop, and the task has no answer. Releases the GIL while it waits for
  /// a task, and while an answer is written.
  void serve(const nanobind::callable& run, const nanobind::callable& forget);

  /// Returns the head and the buffers of a shared object. Raises KeyError if the running task does not name it.
  [[nodiscard]] nanobind::tuple object(std::uint64_t object) const;
  /// Returns bytes of a shared object as a writable Buffer, or None, see TaskPort. Raises IndexError if the object has
  /// no such bytes.
  [[nodiscard]] nanobind::object copy_on_write(std::uint64_t object, std::size_t part, std::size_t offset,
                                               std::size_t bytes) const;
  /// Returns the index of the item of the running batch that is to run next, or nothing if none is left to run here.
  [[nodiscard]] std::optional<std::uint32_t> next_item() const { return port_->next_item(); }
  /// Returns whether the running task has been cancelled.
  [[nodiscard]] bool interrupt_requested() const { return running_ && port_->interrupt_requested(); }

 private:
  [[nodiscard]] const Payload& named(std::uint64_t object) const;
  [[nodiscard]] ExecutedTask run_task(const nanobind::callable& run) const;

  TaskPort* port_;
  std::optional<ExecutorTask> running_;
};

/// Adds to a Python type what a running task may ask: `object`, `copy_on_write`, `next_item` and
/// `interrupt_requested`.
/// `Type::loop()` returns its PythonTaskLoop.
template <class Type>
void bind_running_task(nanobind::class_<Type>& type) {
  type.def(
          "object", [](Type& self, std::uint64_t object) { return self.loop().object(object); },
          nanobind::arg("object_id"))
      .def(
          "copy_on_write",
          [](Type& self, std::uint64_t object, std::size_t part, std::size_t offset, std::size_t bytes) {
            return self.loop().copy_on_write(object, part, offset, bytes);
          },
          nanobind::arg("object_id"), nanobind::arg("part"), nanobind::arg("offset"), nanobind::arg("nbytes"))
      .def("next_item", [](Type& self) { return self.loop().next_item(); })
      .def("interrupt_requested", [](Type& self) { return self.loop().interrupt_requested(); });
}

}  // namespace joblib_mpi
