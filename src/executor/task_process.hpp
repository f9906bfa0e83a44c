#pragma once

namespace joblib_mpi {

/// The process in which an executor runs tasks, as opposed to the children that tasks fork.
///
/// A child that returns from the task's function, as its parent does, would go on as a second executor. It ends
/// instead. So that parent and child do not both print what a stream holds, std::cout and stdout are written out before
/// each fork, as multiprocessing does for Python's streams.
class TaskProcess {
 public:
  /// Takes the calling process for the executor's.
  TaskProcess();

  /// Returns whether the calling process is the executor's. Async-signal-safe, and without a system call, because it is
  /// asked for each task. Not noticed are processes that are made by other means than fork().
  [[nodiscard]] bool is_here() const noexcept;
  /// Returns in the executor's process. Ends every other process with `status`, after its output is written; nothing
  /// else of it is destroyed, because it belongs to the executor.
  void end_children(int status) const;

 private:
  int forks_;  // the number of forks that led to the executor's process
};

}  // namespace joblib_mpi
