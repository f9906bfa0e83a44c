#pragma once

#include <joblib_mpi/ids.hpp>
#include <joblib_mpi/payload.hpp>
#include <joblib_mpi/spill.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>

namespace joblib_mpi {

/// What a task's arguments need beside their bytes.
struct TaskArguments {
  Payload payload;
  /// Scattered objects that must be where the task runs.
  std::vector<ObjectId> objects;
};

/// Where scattered objects can be brought.
class ObjectHome {
 public:
  virtual ~ObjectHome() = default;
  /// Of this object among all that this process ever makes; an address may be used again.
  [[nodiscard]] std::uint64_t serial_number() const noexcept { return serial_number_; }
  /// Brings an object there; it stays until the pointer and its copies are gone.
  [[nodiscard]] virtual std::shared_ptr<const ObjectId> share(Payload value) = 0;

 private:
  static inline std::atomic<std::uint64_t> made_{0};
  const std::uint64_t serial_number_ = ++made_;
};

class Backend;

/// One delayed call, as a backend sees it. Of `run` and `save` a backend calls one, and once unless `can_run_again`.
class Task {
 public:
  virtual ~Task() = default;
  /// Its function, for messages.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// Runs it here. The result is what its call's ResultSink stores; exceptions of the function pass through.
  [[nodiscard]] virtual std::shared_ptr<void> run() = 0;
  /// Whether `run` leaves the arguments as they are: not if one is moved into a parameter taken by value.
  [[nodiscard]] virtual bool can_run_again() const = 0;
  /// Serializes it for `backend`; large arrays that it owns are handed over. Throws what serialization throws.
  [[nodiscard]] virtual TaskArguments save(Backend& backend) = 0;
  /// The same for whoever only looks: the arguments stay, and it refers to them. Scattered ones are named as in `home`;
  /// what two runs of a program need not have in common, such as padding, is zero as far as the compiler helps.
  [[nodiscard]] virtual Payload view(ObjectHome& home) const = 0;
  /// Moves it to where it can wait until it runs.
  [[nodiscard]] virtual std::unique_ptr<Task> move_to_heap() = 0;
};

/// Takes what becomes of a call's tasks, each once, in any order, on the thread that waits for them.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  /// What `Task::run` returned.
  virtual void store(std::size_t index, std::shared_ptr<void> result) = 0;
  /// A result from another process. Throws SerializationError if it is not one.
  virtual void load(std::size_t index, PayloadReader& result) = 0;
  virtual void fail(std::size_t index, std::exception_ptr error) = 0;
  /// Serializes what `Task::run` returned, without storing it, so that `load` can take it.
  virtual void save(const std::shared_ptr<void>& result, PayloadWriter& writer) const = 0;
  /// The task has not started and will not: only after `BackendCall::stop_starting`.
  virtual void withdraw(std::size_t) {}
};

/// One `Parallel` call on a backend, used by the thread that started it. Destroying it is joblib's `stop_call` and, if
/// tasks are left, `abort_everything`: they are dropped, and nothing more reaches the sink.
class BackendCall {
 public:
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  virtual ~BackendCall() = default;
  /// Takes over the task that becomes result `index`. Does not wait for it.
  virtual void submit(std::size_t index, Task& task) = 0;
  /// Waits until at least one more task has reached the sink. False if none has by the deadline.
  [[nodiscard]] virtual bool wait(Deadline deadline) = 0;
  /// From now on no task starts: those that have not are withdrawn from the sink, here or in a later `wait`.
  virtual void stop_starting() = 0;
};

/// What a `Parallel` call asks of its backend, in full.
struct CallRequest {
  int n_jobs = 1;                        ///< as from Backend::effective_n_jobs
  unsigned retries = 2;                  ///< see ParallelOptions
  bool retry_exceptions = false;         ///< see ParallelOptions
  double task_timeout_seconds = 0;       ///< of each attempt; 0 is no limit
  std::uint64_t memory_limit_bytes = 0;  ///< 0 is no limit
  SpillOptions spill = {};               ///< of backends whose tasks run in other processes
};

/// Where tasks run. Mirrors `joblib.parallel.ParallelBackendBase`: `effective_n_jobs`, `default_n_jobs`, `submit`, and
/// `start_call`/`stop_call`, which here are the life of a BackendCall.
class Backend : public ObjectHome {
 public:
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// Tasks that run at a time if the user asks for `n_jobs`: -1 is all there are, -2 all but one, and so on.
  /// Throws UsageError for 0, as joblib raises ValueError.
  [[nodiscard]] virtual int effective_n_jobs(int n_jobs) const = 0;
  /// `n_jobs` of a user who asks for none.
  [[nodiscard]] virtual int default_n_jobs() const noexcept = 0;
  /// `sink` must outlive the call.
  [[nodiscard]] virtual std::unique_ptr<BackendCall> start_call(const CallRequest& request, ResultSink& sink) = 0;

  /// Brings an object to where tasks run. nullptr from backends whose tasks run in this process.
  [[nodiscard]] std::shared_ptr<const ObjectId> share(Payload value) override = 0;
  /// Whether tasks run in this process and see its objects.
  [[nodiscard]] virtual bool in_process() const noexcept = 0;
};

/// `n_jobs` counted from `available` as joblib does. Throws UsageError for 0.
[[nodiscard]] int count_n_jobs(int n_jobs, int available);

}  // namespace joblib_mpi
