#pragma once

#include "coordinator/coordinator_driver.hpp"
#include <joblib_mpi/backend.hpp>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace joblib_mpi {

/// Runs the tasks on the worker ranks. The thread that waits for results drives the coordinator; no other thread does.
class MpiBackend final : public Backend {
 public:
  struct Ranks {
    std::vector<std::string> hosts;  ///< The processor names by rank.
    bool any_thread_may_call_mpi = true;
    std::thread::id session_thread;  ///< The only thread that may call MPI if `any_thread_may_call_mpi` is false.
  };

  MpiBackend(CoordinatorDriver& driver, Ranks ranks);
  /// Disconnects: calls and objects that outlive the session have no effect.
  ~MpiBackend() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "mpi"; }
  /// Returns at most the number of workers. Without workers, tasks run on rank 0, and one warning says so.
  [[nodiscard]] int effective_n_jobs(int n_jobs) const override;
  [[nodiscard]] int default_n_jobs() const noexcept override { return -1; }
  [[nodiscard]] std::unique_ptr<BackendCall> start_call(const CallOptions& options, ResultSink& sink) override;
  [[nodiscard]] std::shared_ptr<const ObjectId> share(Payload value) override;
  [[nodiscard]] bool in_process() const noexcept override { return workers() == 0; }

  /// Waits for the calls that other threads have under way; afterwards nothing reaches the workers. Called at the end
  /// of the session.
  void disconnect();

 private:
  class Call;
  /// Holds the driver that calls and objects use, until `disconnect` removes it.
  struct Connection {
    std::mutex mutex;
    std::condition_variable call_ended;
    int calls = 0;
    CoordinatorDriver* driver;
  };

  [[nodiscard]] int workers() const noexcept { return static_cast<int>(ranks_.hosts.size()) - 1; }

  Ranks ranks_;
  std::shared_ptr<Connection> connection_;
};

}  // namespace joblib_mpi
