#include "executor/handoff_executor.hpp"

#include "core/idle_waiter.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

ExecutorTask task(std::uint32_t slot, std::string_view arguments = "") {
  return {TaskId{slot, 0}, Payload{bytes(arguments), {}}, {}};
}

ExecutedTask done(const ExecutorTask& task, std::string_view result = "") {
  return {task.task, TaskEnding::returned, 0.5, Payload{bytes(result), {}}};
}

/// Waits as a worker's loop does.
ExecutedTask wait_for_result(HandoffExecutor& executor, IdleWaiter& waiter) {
  while (true) {
    if (auto finished = executor.take_finished()) return std::move(*finished);
    waiter.wait();
  }
}

}  // namespace

TEST_CASE("tasks and results change hands between two threads") {
  WakeFlag wake_flag;
  IdleWaiter waiter(Settings{}, false, wake_flag);
  HandoffExecutor executor(wake_flag, [] {});
  std::thread other([&] {
    while (true) {
      auto work = executor.next_task();
      if (!work.task) return;
      executor.finish(done(*work.task, text(work.task->arguments.head) + "!"));
    }
  });
  bool all_right = true;
  for (std::uint32_t slot = 0; slot < 500; ++slot) {
    executor.start(task(slot, "task " + std::to_string(slot)));
    const ExecutedTask finished = wait_for_result(executor, waiter);
    all_right = all_right && finished.task == TaskId{slot, 0} && finished.ending == TaskEnding::returned &&
                finished.seconds == 0.5 && text(finished.result.head) == "task " + std::to_string(slot) + "!";
  }
  CHECK(all_right);
  CHECK_FALSE(executor.take_finished());
  executor.close();
  other.join();
}

TEST_CASE("a child that a task forks ends when it returns from the task, and only its parent answers") {
  WakeFlag wake_flag;
  IdleWaiter waiter(Settings{}, false, wake_flag);
  HandoffExecutor executor(wake_flag, [] {});
  int status = -1;
  std::thread other([&] {
    const auto work = executor.next_task();
    const pid_t child = fork();
    if (child != 0) waitpid(child, &status, 0);
    executor.finish(done(*work.task, child == 0 ? "the child's" : "the parent's"));
  });
  executor.start(task(1));
  CHECK(text(wait_for_result(executor, waiter).result.head) == "the parent's");
  other.join();
  CHECK(status == 0);
}

TEST_CASE("an interrupt reaches the running task and not the next one") {
  WakeFlag wake_flag;
  IdleWaiter waiter(Settings{}, false, wake_flag);
  int rung = 0;
  HandoffExecutor executor(wake_flag, [&] { ++rung; });
  std::atomic<bool> second_was_interrupted{true};
  std::thread other([&] {
    auto first = executor.next_task();
    while (!executor.interrupt_requested()) std::this_thread::yield();
    executor.finish(done(*first.task));
    auto second = executor.next_task();
    second_was_interrupted = executor.interrupt_requested();
    executor.finish(done(*second.task));
  });
  executor.start(task(1));
  executor.interrupt();
  CHECK(wait_for_result(executor, waiter).task == TaskId{1, 0});
  executor.start(task(2));
  CHECK(wait_for_result(executor, waiter).task == TaskId{2, 0});
  other.join();
  CHECK(rung == 1);
  CHECK_FALSE(second_was_interrupted);
}

TEST_CASE("forgotten objects come with the next work once") {
  WakeFlag wake_flag;
  IdleWaiter waiter(Settings{}, false, wake_flag);
  HandoffExecutor executor(wake_flag, [] {});
  executor.forget(ObjectId{4});
  executor.forget(ObjectId{5});
  executor.start(task(1));
  const auto work = executor.next_task();
  CHECK(work.forgotten == std::vector{ObjectId{4}, ObjectId{5}});
  REQUIRE(work.task);
  executor.finish(done(*work.task));
  CHECK(executor.take_finished());
  executor.start(task(2));
  CHECK(executor.next_task().forgotten.empty());
}

TEST_CASE("objects are forgotten without a task, too") {
  WakeFlag wake_flag;
  IdleWaiter waiter(Settings{}, false, wake_flag);
  HandoffExecutor executor(wake_flag, [] {});
  std::vector<ObjectId> forgotten;
  std::thread other([&] { forgotten = executor.next_task().forgotten; });
  executor.forget(ObjectId{4});
  other.join();
  CHECK(forgotten == std::vector{ObjectId{4}});
}

TEST_CASE("closing wakes a thread that waits for a task") {
  WakeFlag wake_flag;
  IdleWaiter waiter(Settings{}, false, wake_flag);
  HandoffExecutor executor(wake_flag, [] {});
  std::thread other([&] {
    while (!executor.next_task().closed) {
    }
  });
  executor.close();
  other.join();
  CHECK(executor.next_task().closed);  // and it stays closed
}

TEST_CASE("a task that ends after the closing leaves the executor closed") {
  WakeFlag wake_flag;
  IdleWaiter waiter(Settings{}, false, wake_flag);
  HandoffExecutor executor(wake_flag, [] {});
  executor.start(task(1));
  const auto work = executor.next_task();
  executor.close();
  executor.finish(done(*work.task));
  CHECK_FALSE(executor.take_finished());
  CHECK(executor.next_task().closed);
}

TEST_CASE("a task whose time is up is interrupted once and has timed out however it ends") {
  WakeFlag wake_flag;
  IdleWaiter waiter(Settings{}, false, wake_flag);
  int rung = 0;
  HandoffExecutor executor(wake_flag, [&] { ++rung; });
  std::thread other([&] {
    auto late = executor.next_task();
    while (!executor.interrupt_requested()) std::this_thread::yield();
    executor.finish(done(*late.task, "in the end"));
    auto in_time = executor.next_task();
    executor.finish(done(*in_time.task));
  });
  ExecutorTask limited = task(1);
  limited.limits.seconds = 0.01;
  executor.start(std::move(limited));
  const ExecutedTask late = wait_for_result(executor, waiter);
  CHECK(late.ending == TaskEnding::timed_out);
  CHECK(text(late.result.head) == "ran longer than its limit of 0.01 s");
  ExecutorTask unhurried = task(2);
  unhurried.limits.seconds = 3600;
  executor.start(std::move(unhurried));
  CHECK(wait_for_result(executor, waiter).ending == TaskEnding::returned);
  other.join();
  CHECK(rung == 1);
}

TEST_CASE("a task that was interrupted before its time was up has not timed out") {
  WakeFlag wake_flag;
  IdleWaiter waiter(Settings{}, false, wake_flag);
  HandoffExecutor executor(wake_flag, [] {});
  std::thread other([&] {
    auto work = executor.next_task();
    while (!executor.interrupt_requested()) std::this_thread::yield();
    executor.finish(done(*work.task));
  });
  ExecutorTask limited = task(1);
  limited.limits.seconds = 3600;
  executor.start(std::move(limited));
  executor.interrupt();
  CHECK(wait_for_result(executor, waiter).ending == TaskEnding::returned);
  other.join();
}
