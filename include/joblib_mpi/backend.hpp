#pragma once

#include <joblib_mpi/detail/call_options.hpp>
#include <joblib_mpi/detail/object_home.hpp>
#include <joblib_mpi/detail/payload.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace joblib_mpi {

class BackendCall;
class ResultSink;
class Task;

/// A way to run tasks. Mirrors `joblib.parallel.ParallelBackendBase`: `effective_n_jobs`, `default_n_jobs`, `submit`,
/// and `start_call`/`stop_call`, which here are the life of a BackendCall. Programs may register backends they have
/// written.
class Backend : public ObjectHome {
 public:
  /// Returns the name of this kind of backend, such as "mpi", for messages.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// Returns how many tasks run at a time for the user's `n_jobs`: -1 means all that are possible, -2 all but one.
  /// Throws UsageError for 0, where joblib raises ValueError.
  [[nodiscard]] virtual int effective_n_jobs(int n_jobs) const = 0;
  /// Returns the `n_jobs` of calls that set none.
  [[nodiscard]] virtual int default_n_jobs() const noexcept = 0;
  /// Starts a call whose results go to `sink`, which must outlive the returned call.
  [[nodiscard]] virtual std::unique_ptr<BackendCall> start_call(const CallOptions& options, ResultSink& sink) = 0;

  /// Brings an object to where tasks run. Returns nullptr if tasks run in this process.
  [[nodiscard]] std::shared_ptr<const ObjectId> share(Payload value) override = 0;
  /// Returns true if tasks run in this process and see its objects.
  [[nodiscard]] virtual bool in_process() const noexcept = 0;
};

/// Makes a backend known by name, as `joblib.register_parallel_backend` does. Throws UsageError if the name is taken.
void register_backend(const std::string& name, std::shared_ptr<Backend> backend);

/// Removes a name. Calls that are running on its backend continue.
void unregister_backend(const std::string& name);

/// Returns the backend with this name. Throws UsageError, which lists the known names.
[[nodiscard]] std::shared_ptr<Backend> find_backend(const std::string& name);

/// Returns the backend of calls that name none: "mpi" while a session runs, otherwise "threading". Throws UsageError on
/// a thread that has not run a session if one has ended, or if several run in this process.
[[nodiscard]] std::shared_ptr<Backend> default_backend();

/// Counts `n_jobs` from `available` as joblib does: -1 is `available`, -2 one less, and so on, but at least 1. Throws
/// UsageError for 0.
[[nodiscard]] int count_n_jobs(int n_jobs, int available);

/// One `Parallel` call on a backend, used by the thread that started it. Its destructor is joblib's `stop_call` and, if
/// tasks are left, `abort_everything`: it drops them, and nothing more reaches the sink.
class BackendCall {
 public:
  /// A time on the steady clock until which a function waits; unset for no limit.
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  virtual ~BackendCall() = default;
  /// Takes over the task whose result has this index. Does not wait for it.
  virtual void submit(std::size_t index, Task& task) = 0;
  /// Waits until at least one more task has reached the sink. Returns false if none has by the deadline.
  [[nodiscard]] virtual bool wait(Deadline deadline) = 0;
  /// Starts no more tasks: those that have not started are withdrawn from the sink, here or in a later `wait`.
  virtual void stop_starting() = 0;
};

/// The receiver of a call's results. Each task ends here once, in any order, on the thread that waits for them.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  /// Takes what `Task::run` returned.
  virtual void store(std::size_t index, std::shared_ptr<void> result) = 0;
  /// Takes a result that another process has serialized. Throws SerializationError if the bytes are no result.
  virtual void load(std::size_t index, PayloadReader& result) = 0;
  /// Takes the exception with which the task failed.
  virtual void fail(std::size_t index, std::exception_ptr error) = 0;
  /// Serializes what `Task::run` returned in the form that `load` takes, without storing it.
  virtual void save(const std::shared_ptr<void>& result, PayloadWriter& writer) const = 0;
  /// Notes that the arguments of this task take so many bytes of this process until it ends. Backends call it for tasks
  /// with large arguments.
  virtual void note_size(std::size_t, std::size_t) {}
  /// Notes that the task with this index has not started and will not. Called only after `BackendCall::stop_starting`.
  virtual void withdraw(std::size_t) {}
};

/// The serialized arguments of a task, and what must be present where it runs.
struct TaskArguments {
  Payload payload;                ///< the arguments as bytes
  std::vector<ObjectId> objects;  ///< scattered objects that the arguments name
};

/// One delayed call, as a backend sees it. A backend calls either `run` or `save`, and only once unless
/// `can_run_again`.
class Task {
 public:
  virtual ~Task() = default;
  /// Returns the name of the function, for messages; valid until the program ends.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// Runs the task in this process. Returns what ResultSink::store takes; exceptions of the function pass through.
  [[nodiscard]] virtual std::shared_ptr<void> run() = 0;
  /// Returns true if `run` leaves the arguments intact, false if it moves one into a parameter taken by value.
  [[nodiscard]] virtual bool can_run_again() const = 0;
  /// Serializes the task for `backend`, to which large arrays are handed over. Throws what serialization throws.
  [[nodiscard]] virtual TaskArguments save(Backend& backend) = 0;
  /// Serializes the task for inspection: the arguments stay, and the payload refers to them. Scattered objects have
  /// their ids in `home`. Bytes that may differ from run to run, such as padding, are zero where the compiler can
  /// clear them.
  [[nodiscard]] virtual Payload view(ObjectHome& home) const = 0;
  /// Moves the task to the heap, where it can wait for its turn.
  [[nodiscard]] virtual std::unique_ptr<Task> move_to_heap() = 0;
};

}  // namespace joblib_mpi
