#pragma once

#include "core/idle_waiter.hpp"
#include "executor/executor.hpp"
#include "executor/handoff_executor.hpp"
#include "executor/registered_function_runner.hpp"
#include "executor/zygote.hpp"
#include "protocol/messages.hpp"
#include "session/rank.hpp"
#include "store/node_store.hpp"
#include "worker/worker.hpp"

#include <memory>
#include <mutex>
#include <utility>
#include <variant>

namespace joblib_mpi {

/// A worker during one run of a session: its objects, its executor and its loop.
class ServingRank {
 public:
  /// Tasks run in executor processes that `zygote` forks. The rank's flag must be the zygote's.
  struct ExecutorProcesses {
    Zygote& zygote;
  };
  /// Tasks are registered C++ functions and run on the thread that calls `serve`. If `has_stand_in` is true, another
  /// thread answers rank 0 during that time, which MPI must allow.
  struct ServingThread {
    bool has_stand_in;
  };
  /// Tasks run on another thread of this process, which takes them from `executor`. The executor must have been made
  /// with the rank's flag.
  struct OtherThread {
    HandoffExecutor& executor;
  };
  using TaskPlace = std::variant<ExecutorProcesses, ServingThread, OtherThread>;

  /// Composes the worker from the parts of a rank. What `rank` and `place` refer to must outlive it.
  ServingRank(const Rank& rank, const TaskPlace& place);
  ServingRank(const ServingRank&) = delete;
  ServingRank& operator=(const ServingRank&) = delete;

  /// Sets the reaction to the loss of rank 0, see Worker.
  void on_coordinator_loss(Worker::CoordinatorLoss loss) { worker_.on_coordinator_loss(std::move(loss)); }
  /// Works until rank 0 sends Stop, and returns that message. The calling thread is the one that uses the transport.
  to_worker::Stop serve();

 private:
  [[nodiscard]] Executor& make_executor(const Rank& rank, const TaskPlace& place);

  const Settings& settings_;
  NodeStore store_;
  RegisteredFunctionRunner runner_;
  const bool has_stand_in_;
  std::mutex worker_mutex_;  // held by the serving thread except while a function runs on it
  std::unique_ptr<Executor> own_executor_;
  IdleWaiter waiter_;
  Worker worker_;
};

}  // namespace joblib_mpi
