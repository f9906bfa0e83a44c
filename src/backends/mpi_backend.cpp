#include "backends/mpi_backend.hpp"

#include "backends/sequential_backend.hpp"
#include "serialization/exception_codec.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace joblib_mpi {

class MpiBackend::Call final : public BackendCall {
 public:
  Call(MpiBackend& backend, CoordinatorDriver& driver, const CallOptions& options, ResultSink& sink)
      : backend_(&backend),
        driver_(&driver),
        sink_(&sink),
        connection_(backend.connection_),
        id_(driver.start_call(options, inbox_)) {
    ++connection_->calls;  // start_call holds the lock
  }

  ~Call() override {
    driver_->end_call(id_);
    try {
      driver_->drive();  // tells the workers now, because this thread may not call the driver again soon
    } catch (const std::exception& error) {
      std::fprintf(stderr, "joblib_mpi: cancelling a call failed: %s\n", error.what());
    }
    const std::lock_guard lock(connection_->mutex);
    --connection_->calls;
    connection_->call_ended.notify_all();
  }

  void submit(std::size_t index, Task& task) override {
    TaskRequest request{index, TaskName::of_registered(task.name()), {}, {}};
    try {
      TaskArguments arguments = task.save(*backend_);
      request.arguments = std::move(arguments.payload);
      request.objects = std::move(arguments.objects);
    } catch (...) {
      failed_.push_back({index, std::current_exception()});
      return;
    }
    const std::size_t bytes = request.arguments.size_bytes();
    if (bytes >= min_part_bytes) sink_->note_size(index, bytes);
    driver_->submit_and_drive(id_, std::move(request));
  }

  bool wait(Deadline deadline) override {
    if (!failed_.empty()) {
      for (Failed& task : std::exchange(failed_, {})) sink_->fail(task.index, std::move(task.error));
      return true;
    }
    results_.clear();
    if (!driver_->wait(inbox_, results_, deadline)) return false;
    for (const FinishedTask& task : results_) deliver(task);
    return true;
  }

  void stop_starting() override { driver_->stop_starting(id_); }

 private:
  struct Failed {
    std::size_t index;
    std::exception_ptr error;
  };

  void deliver(const FinishedTask& task) {
    if (task.ending == TaskEnding::cancelled) return sink_->withdraw(task.index);
    PayloadReader reader(task.result);
    try {
      task.ending == TaskEnding::returned ? sink_->load(task.index, reader)
                                          : sink_->fail(task.index, error_of(task, reader));
    } catch (...) {  // an error in reading the bytes is this task's failure
      sink_->fail(task.index, std::current_exception());
    }
  }

  [[nodiscard]] std::exception_ptr error_of(const FinishedTask& task, PayloadReader& reader) const {
    const int rank = task.worker.value;
    const std::string& host = backend_->ranks_.hosts.at(static_cast<std::size_t>(rank));
    if (task.ending == TaskEnding::raised) return load_exception(reader, rank, host);
    const ByteView reason = reader.read_bytes(reader.remaining_bytes());
    LostTask lost{.index = task.index,
                  .function = std::string(task.name.view()),
                  .rank = rank,
                  .host = host,
                  .attempts = task.attempts,
                  .reason = {reinterpret_cast<const char*>(reason.data()), reason.size()}};
    if (task.ending == TaskEnding::spill_failed || task.ending == TaskEnding::no_room) {
      return std::make_exception_ptr(SpillError("\"" + lost.function + "\" (task " + std::to_string(task.index) +
                                                ") ran on rank " + std::to_string(rank) + " on " + host + ", but " +
                                                lost.reason));
    }
    if (task.ending == TaskEnding::timed_out) return std::make_exception_ptr(TaskTimeoutError(std::move(lost)));
    return std::make_exception_ptr(WorkerLostError(std::move(lost)));
  }

  MpiBackend* backend_;
  CoordinatorDriver* driver_;
  ResultSink* sink_;
  std::shared_ptr<Connection> connection_;
  ResultInbox inbox_;
  CallId id_;
  std::vector<FinishedTask> results_;
  std::vector<Failed> failed_;  // tasks that could not be serialized
};

MpiBackend::MpiBackend(CoordinatorDriver& driver, Ranks ranks)
    : ranks_(std::move(ranks)), connection_(std::make_shared<Connection>()) {
  connection_->driver = &driver;
}

MpiBackend::~MpiBackend() {
  disconnect();
}

void MpiBackend::disconnect() {
  std::unique_lock lock(connection_->mutex);
  connection_->call_ended.wait(lock, [this] { return connection_->calls == 0; });
  connection_->driver = nullptr;
}

int MpiBackend::effective_n_jobs(int n_jobs) const {
  if (workers() == 0) {
    [[maybe_unused]] static const int warned = std::fprintf(
        stderr,
        "joblib_mpi: there is only one rank, so tasks run on it one after another; start more ranks, as in "
        "\"mpirun -n 4\"\n");
  }
  return std::min(count_n_jobs(n_jobs, workers()), std::max(workers(), 1));
}

std::unique_ptr<BackendCall> MpiBackend::start_call(const CallOptions& options, ResultSink& sink) {
  if (workers() == 0) return SequentialBackend().start_call(options, sink);
  if (!ranks_.any_thread_may_call_mpi && std::this_thread::get_id() != ranks_.session_thread) {
    throw UsageError(
        "Parallel on backend \"mpi\" was called from a second thread, but MPI was initialised for one thread only: "
        "initialise it with MPI_THREAD_SERIALIZED, or make the call on the session's thread");
  }
  const std::lock_guard lock(connection_->mutex);
  if (connection_->driver == nullptr) {
    throw UsageError("backend \"mpi\" was used after its session had ended: make the call inside MpiSession::run");
  }
  return std::make_unique<Call>(*this, *connection_->driver, options, sink);
}

std::shared_ptr<const ObjectId> MpiBackend::share(Payload value) {
  const std::lock_guard lock(connection_->mutex);
  if (connection_->driver == nullptr) {
    throw UsageError("an object was scattered after the session had ended: scatter it inside MpiSession::run");
  }
  const ObjectId id = connection_->driver->share(std::move(value));
  return {new ObjectId(id), [connection = connection_](const ObjectId* object) {
            const std::lock_guard connected(connection->mutex);
            if (connection->driver != nullptr) connection->driver->drop(*object);
            delete object;
          }};
}

}  // namespace joblib_mpi
