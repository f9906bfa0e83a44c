#pragma once

#include <joblib_mpi/detail/has_serialize.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <utility>

namespace joblib_mpi {

/// The base of all errors of this library. The text says what happened, to what, where, and what to do next.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller asked for something impossible, such as `n_jobs == 0` or a backend that is not registered.
class UsageError : public Error {
 public:
  using Error::Error;
};

/// An MPI call failed, or MPI was initialised in a way that does not suit a session.
class MpiError : public Error {
 public:
  using Error::Error;
};

/// Two ranks run different programs or versions, both of which the text names.
class VersionMismatch : public Error {
 public:
  using Error::Error;
};

/// The bytes of a serialized value are cut short or hold another type.
class SerializationError : public Error {
 public:
  using Error::Error;
};

/// Rank 0 has left `MpiSession::run` with an exception. Thrown on the workers, with the text of that exception.
class SessionAborted : public Error {
 public:
  using Error::Error;
};

/// A checkpoint file cannot be used: it cannot be written, is in use, or holds results of another program, version or
/// call. Its content is left unchanged.
class CheckpointError : public Error {
 public:
  using Error::Error;
};

/// A signal (SIGUSR1 or SIGTERM) has ended a run that has a checkpoint; all finished results are on disk. This is not
/// an error, and therefore no std::exception. MpiSession::run turns it into the exit status on which a batch script
/// requeues its job. A program that catches it gets it again from the next call with a checkpoint.
class CheckpointInterrupt {
 public:
  /// Keeps the exit status for the batch script. Thrown by the library; programs need not make one.
  explicit CheckpointInterrupt(int status) noexcept : status_(status) {}
  /// Returns the exit status for the batch script: JOBLIB_MPI_REQUEUE_STATUS, by default 75 (EX_TEMPFAIL).
  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  int status_;
};

/// A large result could not be written to `spill_dir` or read from there, or was not to go there, and there is no
/// memory for it either.
class SpillError : public Error {
 public:
  using Error::Error;
};

/// The next result did not arrive within `ParallelOptions::timeout_seconds`. The counterpart of joblib's
/// `TimeoutError`.
class TimeoutError : public Error {
 public:
  using Error::Error;
};

/// The place and the cause of a task's failure. Every exception of a task that ran on another rank can be caught as
/// this type, too.
class TaskFailure {
 public:
  /// Describes a failure: the function of the task, its rank and host, the exception's type and its `what()`.
  TaskFailure(std::string function, int rank, std::string host, std::string type_name, std::string remote_what);
  virtual ~TaskFailure() = default;

  /// Returns the name of the function in `delayed<function>`.
  [[nodiscard]] const std::string& function() const noexcept { return function_; }
  /// Returns the rank on which the task ran.
  [[nodiscard]] int rank() const noexcept { return rank_; }
  /// Returns the name of that rank's host, as MPI_Get_processor_name gives it.
  [[nodiscard]] const std::string& host() const noexcept { return host_; }
  /// Returns the readable name of the exception's type.
  [[nodiscard]] const std::string& type_name() const noexcept { return type_name_; }
  /// Returns the exception's `what()` on the task's rank.
  [[nodiscard]] const std::string& remote_what() const noexcept { return remote_what_; }
  /// Returns one line with the error, the function, the rank and its host.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 protected:
  /// Uses `text` as the line that `text()` returns.
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

/// A task failed with an exception whose type is not known on rank 0, and neither are its base classes (see
/// `register_exception`). The value of a thrown number or text is in `remote_what()`.
class TaskError : public Error, public TaskFailure {
 public:
  /// Makes the error for a failure; `what()` is its `text()`.
  explicit TaskError(TaskFailure failure) : Error(failure.text()), TaskFailure(std::move(failure)) {}
};

/// A task that has no result because its executor or rank is gone.
struct LostTask {
  std::size_t index;     ///< the task's index in the call
  std::string function;  ///< the name of the function in `delayed<function>`
  int rank;              ///< the rank of the last attempt
  std::string host;      ///< the host of that rank
  unsigned attempts;     ///< the number of attempts; 0 if no worker was left for the first
  std::string reason;    ///< how the last attempt ended
};

/// A task lost its executor or its whole rank, by a crash or a kill, in each of its attempts. The counterpart of
/// joblib's `TerminatedWorkerError`.
class WorkerLostError : public Error, public TaskFailure {
 public:
  /// Makes the error for a task whose last attempt ended as `task.reason` says.
  explicit WorkerLostError(LostTask task);

  /// Returns the task's index in its call.
  [[nodiscard]] std::size_t task_index() const noexcept { return task_index_; }
  /// Returns the number of attempts; 0 if no worker was left for the first.
  [[nodiscard]] unsigned attempts() const noexcept { return attempts_; }
  /// Returns how the last attempt ended, such as "signal 11 (SIGSEGV)".
  [[nodiscard]] const std::string& reason() const noexcept { return remote_what(); }

 protected:
  /// Makes an error of a derived type with this name, whose `what()` is `text`.
  WorkerLostError(LostTask task, const char* type_name, const std::string& text);

 private:
  std::size_t task_index_;
  unsigned attempts_;
};

/// The last attempt of a task exceeded `ParallelOptions::task_timeout_seconds`.
class TaskTimeoutError : public WorkerLostError {
 public:
  /// Makes the error for a task whose last attempt took too long.
  explicit TaskTimeoutError(LostTask task);
};

/// An exception of type `E`, or of a class derived from it, that a task threw on another rank: catch it as `E`, as in
/// one process, or as `TaskFailure`, which names the type that was thrown.
template <class E>
class RemoteException final : public E, public TaskFailure {
 public:
  /// Makes an `E` from the text that `what()` had on the task's rank.
  explicit RemoteException(TaskFailure cause)
    requires std::constructible_from<E, const std::string&>
      : E(cause.remote_what()), TaskFailure(std::move(cause)) {}
  /// Takes the `E` that was thrown on the task's rank.
  RemoteException(E thrown, TaskFailure cause) : E(std::move(thrown)), TaskFailure(std::move(cause)) {}
  /// Returns `text()`: one line with the error, the function, the rank and its host.
  [[nodiscard]] const char* what() const noexcept override { return text().c_str(); }
};

class PayloadReader;
class PayloadWriter;

namespace detail {

/// The two functions by which exceptions of one type travel.
struct TravellingException {
  /// Writes the members of an exception of this type; null if there are none beside the text of `what()`.
  void (*save)(const std::exception& error, PayloadWriter& writer);
  /// Makes the exception of a failure from the members that `save` has written.
  std::exception_ptr (*load)(TaskFailure failure, PayloadReader& reader);
};

// Defined in <joblib_mpi/serialization.hpp>.
template <class T>
void save_members(PayloadWriter& writer, const T& value);
template <class T>
void load_members(PayloadReader& reader, T& value);

template <class E>
concept HasMembersToSave = HasSerializeMember<E> || HasSerializeFunction<E>;

template <class E>
void save_thrown(const std::exception& error, PayloadWriter& writer) {
  save_members(writer, dynamic_cast<const E&>(error));
}
template <class E>
std::exception_ptr load_thrown(TaskFailure failure, [[maybe_unused]] PayloadReader& reader) {
  if constexpr (!HasMembersToSave<E>) {
    return std::make_exception_ptr(RemoteException<E>(std::move(failure)));
  } else {
    E thrown = [&] {
      if constexpr (std::constructible_from<E, const std::string&>) {
        return E(failure.remote_what());
      } else {
        return E();
      }
    }();
    load_members(reader, thrown);
    return std::make_exception_ptr(RemoteException<E>(std::move(thrown), std::move(failure)));
  }
}

template <class E>
constexpr TravellingException travelling() {
  if constexpr (HasMembersToSave<E>) return {&save_thrown<E>, &load_thrown<E>};
  return {nullptr, &load_thrown<E>};
}

bool register_exception_type(const std::type_info& type, TravellingException how);

}  // namespace detail

/// Lets exceptions of type `E`, and of classes derived from it, arrive from tasks as `E`. `E` must be constructible
/// from a text, or have a default constructor and a `serialize` member. With `serialize`, its members arrive, too: they
/// are loaded into an `E` that was made from the text, or by the default constructor.
///
/// The exceptions of the standard library are known; all others arrive as TaskError. Call it on every rank before the
/// session begins; at namespace scope, `const bool registered = joblib_mpi::register_exception<SingularMatrix>();` does
/// so.
template <class E>
  requires std::derived_from<E, std::exception> && (std::constructible_from<E, const std::string&> ||
                                                    (std::default_initializable<E> && detail::HasMembersToSave<E>))
bool register_exception() {
  return detail::register_exception_type(typeid(E), detail::travelling<E>());
}

}  // namespace joblib_mpi
