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

/// Runs the tasks on the worker ranks. Whoever waits for results drives the coordinator: no other thread takes part.
class MpiBackend final : public Backend {
 public:
  struct Ranks {
    std::vector<std::string> hosts;  ///< by rank
    bool any_thread_may_call_mpi = true;
    std::thread::id session_thread;  ///< the only one otherwise
  };

  MpiBackend(CoordinatorDriver& driver, Ranks ranks);
  /// Calls and objects that outlive the session do nothing any more.
  ~MpiBackend() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "mpi"; }
  /// At most the number of worker ranks. Without any, tasks run on rank 0; a warning says so, once.
  [[nodiscard]] int effective_n_jobs(int n_jobs) const override;
  [[nodiscard]] int default_n_jobs() const noexcept override { return -1; }
  [[nodiscard]] std::unique_ptr<BackendCall> start_call(const CallRequest& request, ResultSink& sink) override;
  [[nodiscard]] std::shared_ptr<const ObjectId> share(Payload value) override;
  [[nodiscard]] bool in_process() const noexcept override { return workers() == 0; }

  /// The session ends: waits for calls that other threads have under way; then nothing reaches the workers any more.
  void disconnect();

 private:
  class Call;
  /// What calls and objects use, so that it can be taken away from them.
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
