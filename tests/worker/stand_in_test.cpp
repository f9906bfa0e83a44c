#include "worker/stand_in.hpp"

#include "executor/in_process_executor.hpp"
#include "protocol/wire_format.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/scripted_store.hpp"
#include "support/scripted_transport.hpp"

#include <functional>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// A task runner that runs a function of the test as the task.
class Runner final : public TaskRunner {
 public:
  bool run(const ExecutorTask&, Payload&, std::vector<ArrayLayout>&) override {
    function();
    return true;
  }
  void forget(ObjectId object) override { forgotten.push_back(object); }

  std::function<void()> function;
  std::vector<ObjectId> forgotten;
};

/// Worker 1, whose tasks run on the test's thread, and its stand-in. `worker_mutex` guards the scripted objects.
struct Bench {
  Settings settings = [] {
    Settings quick;
    quick.heartbeat_seconds = 0.01;  // the stand-in polls every 1.25 ms
    quick.grace_seconds = 0;
    return quick;
  }();
  std::mutex worker_mutex;
  ScriptedTransport transport{1, 2};
  ScriptedStore store;
  Runner runner;
  InProcessExecutor executor{runner, &worker_mutex};
  IdleWaiter waiter{settings, false};
  Worker worker{transport, store, executor, waiter, settings};
  std::vector<MessageToCoordinator> said;

  template <class Message>
  void tell(Message message) {
    Frame frame;
    append(frame, std::move(message));
    transport.arrives(0, std::move(frame));
  }
  void listen() {
    for (const auto& sent : transport.take_sent()) {
      for (FrameReader reader({sent.frame.body, sent.frame.parts}); !reader.at_end();) {
        said.push_back(reader.next_to_coordinator());
      }
    }
  }
  /// Waits inside a task until the stand-in has sent the message.
  template <class Message>
  void wait_for() {
    for (bool heard = false; !heard; std::this_thread::yield()) {
      const std::lock_guard lock(worker_mutex);
      listen();
      heard = !said.empty() && std::holds_alternative<Message>(said.back());
    }
  }
  /// Delivers a message while a task runs; called inside the task.
  template <class Message>
  void tell_during_a_task(Message message) {
    const std::lock_guard lock(worker_mutex);
    tell(std::move(message));
  }
  void run_task(std::function<void()> function, TaskLimits limits = {}) {
    runner.function = std::move(function);
    const std::lock_guard own(worker_mutex);
    const StandIn stand_in(worker, worker_mutex, settings);
    tell(to_worker::Begin{});
    tell(to_worker::RunTask{TaskId{1, 0}, CallId{1}, limits, {}, {}});
    while (worker.step()) {
    }
    listen();
  }
};

}  // namespace

TEST_CASE("while a task runs its worker's stand-in answers as often as it is asked") {
  Bench bench;
  bench.run_task([&] {
    for (int ping = 0; ping < 3; ++ping) {
      bench.said.clear();
      bench.tell_during_a_task(to_worker::Ping{});
      bench.wait_for<to_coordinator::Pong>();
    }
  });
  CHECK(std::get<to_coordinator::TaskFinished>(bench.said.back()).ending == TaskEnding::returned);
}

TEST_CASE("an object that is dropped while a task runs is forgotten after it") {
  Bench bench;
  bench.run_task([&] {
    bench.tell_during_a_task(to_worker::DropObject{ObjectId{4}});
    bench.tell_during_a_task(to_worker::Ping{});
    bench.wait_for<to_coordinator::Pong>();
    CHECK(bench.runner.forgotten.empty());
  });
  CHECK(bench.runner.forgotten == std::vector{ObjectId{4}});
}

TEST_CASE("the stand-in reports a task that uses more than its time and the grace") {
  Bench bench;
  bench.run_task([&] { bench.wait_for<to_coordinator::Stuck>(); }, {.seconds = 1e-6});
  CHECK(std::get<to_coordinator::TaskFinished>(bench.said.back()).task == TaskId{1, 0});
}
