#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace joblib_mpi {

/// What every error of this library is. The text says what happened, to what, where, and what to do next.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller asked for something that cannot be, such as `n_jobs == 0` or a backend that nobody registered.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// An MPI call failed, or MPI was initialised in a way that a session cannot work with.
class MpiError : public Error {
 public:
  using Error::Error;
};

/// Two ranks run different programs or versions; the text names both.
class VersionMismatch : public Error {
 public:
  using Error::Error;
};

/// Bytes that do not hold the value they should: cut short, or of another type.
class SerializationError : public Error {
 public:
  using Error::Error;
};

/// On the ranks that serve: rank 0 left `MpiSession::run` with an exception, whose text this one repeats.
class SessionAborted : public Error {
 public:
  using Error::Error;
};

/// A checkpoint file cannot be used: it cannot be written, is in use, or holds what another program, version or call
/// has computed. What it holds is left as it is.
class CheckpointError : public Error {
 public:
  using Error::Error;
};

/// The run was told to end (SIGUSR1 or SIGTERM) while it had a checkpoint: what is finished is on disk. No error, so
/// not a std::exception. MpiSession::run makes of it the status on which a batch script requeues its job; whoever
/// catches it gets it again from the next call with a checkpoint.
class CheckpointInterrupt {
 public:
  explicit CheckpointInterrupt(int status) noexcept : status_(status) {}
  /// JOBLIB_MPI_REQUEUE_STATUS, by default 75 (EX_TEMPFAIL).
  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  int status_;
};

/// A large result could not be written to a file of `spill_dir`, or not be read from there, and does not fit into rank
/// 0's memory either.
class SpillError : public Error {
 public:
  using Error::Error;
};

/// The next result did not come within `ParallelOptions::timeout_seconds`. As `TimeoutError` in joblib.
class TimeoutError : public Error {
 public:
  using Error::Error;
};

/// Where a task failed. Every exception of a task that ran on another rank can be caught as this, too.
class TaskFailure {
 public:
  TaskFailure(std::string function, int rank, std::string host, std::string type_name, std::string remote_what);
  virtual ~TaskFailure() = default;

  /// The function as it was named in `delayed<function>`.
  [[nodiscard]] const std::string& function() const noexcept { return function_; }
  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] const std::string& host() const noexcept { return host_; }
  /// The exception's type on its rank, for people.
  [[nodiscard]] const std::string& type_name() const noexcept { return type_name_; }
  /// `what()` as it was on its rank, without the place.
  [[nodiscard]] const std::string& remote_what() const noexcept { return remote_what_; }
  /// All of it in one line: what happened, in which function, on which rank and host.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 protected:
  /// With a text of its own.
  TaskFailure(std::string function, int rank, std::string host, std::string type_name, std::string remote_what,
              std::string text);

 private:
  std::string function_;
  int rank_;
  std::string host_;
  std::string type_name_;
  std::string remote_what_;
  std::string text_;
};

/// A task failed with an exception whose type is not known here (see `register_exception`).
class TaskError : public Error, public TaskFailure {
 public:
  explicit TaskError(TaskFailure failure) : Error(failure.text()), TaskFailure(std::move(failure)) {}
};

/// A task that has no result because what ran it is gone.
struct LostTask {
  std::size_t number;    ///< its index in the call
  std::string function;  ///< as it was named in `delayed<function>`
  int rank;              ///< of the last attempt, with its host
  std::string host;
  unsigned attempts;  ///< that were made; 0 if no worker was left to try
  std::string reason;
};

/// What ran a task was lost in each of its attempts: its executor process crashed or was killed, or its whole rank. As
/// `TerminatedWorkerError` in joblib.
class WorkerLostError : public Error, public TaskFailure {
 public:
  explicit WorkerLostError(LostTask task);

  /// The task's index in its call.
  [[nodiscard]] std::size_t task_number() const noexcept { return task_number_; }
  [[nodiscard]] unsigned attempts() const noexcept { return attempts_; }
  /// What happened in the last attempt: "signal 11 (SIGSEGV)".
  [[nodiscard]] const std::string& reason() const noexcept { return remote_what(); }

 protected:
  WorkerLostError(LostTask task, const char* type_name, const std::string& text);

 private:
  std::size_t task_number_;
  unsigned attempts_;
};

/// A task took longer than `ParallelOptions::task_timeout_seconds` in its last attempt.
class TaskTimeoutError : public WorkerLostError {
 public:
  explicit TaskTimeoutError(LostTask task);
};

/// A task failed with an `E`: catch it as `E`, as on one process, or as `TaskFailure`.
template <class E>
class RemoteException final : public E, public TaskFailure {
 public:
  explicit RemoteException(TaskFailure failure) : E(failure.remote_what()), TaskFailure(std::move(failure)) {}
  [[nodiscard]] const char* what() const noexcept override { return text().c_str(); }
};

}  // namespace joblib_mpi
