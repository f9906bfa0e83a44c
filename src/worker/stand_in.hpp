#pragma once

#include "core/settings.hpp"
#include "worker/worker.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace joblib_mpi {

/// A thread that attends to a worker while the worker's own thread runs user code, so that rank 0 gets answers.
///
/// `worker_mutex` protects the worker: its own thread holds the lock except while a function runs (see
/// InProcessExecutor). Both threads use the worker's transport, one at a time: MPI must provide MPI_THREAD_SERIALIZED,
/// or MPI_THREAD_MULTIPLE if the functions make MPI calls themselves.
class StandIn {
 public:
  /// Starts the thread. `worker` and `worker_mutex` must outlive it.
  StandIn(Worker& worker, std::mutex& worker_mutex, const Settings& settings);
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;
  /// Stops the thread and waits for its end. The thread itself never waits for `worker_mutex`.
  ~StandIn();

 private:
  void live();

  Worker* worker_;
  std::mutex* worker_mutex_;
  std::chrono::duration<double> pause_;
  std::mutex mutex_;
  std::condition_variable closing_changed_;
  bool closing_ = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace joblib_mpi
