#pragma once

#include "core/settings.hpp"
#include "worker/worker.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

namespace joblib_mpi {

/// A thread that attends to a worker while the worker's own thread runs user code, so that rank 0 is answered.
///
/// `worker_mutex` is the lock under which the worker is used: its own thread holds it except while a function runs (see
/// InProcessExecutor). Both threads use the worker's transport, one at a time: MPI must allow SERIALIZED, and MULTIPLE
/// if the functions make MPI calls of their own.
class StandIn {
 public:
  StandIn(Worker& worker, std::mutex& worker_mutex, const Settings& settings);
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;
  /// Waits for the thread, which never waits for `worker_mutex`.
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
