// Tests of a result that waits for the folder into which it spills.

#include "core/idle_waiter.hpp"
#include "executor/handoff_executor.hpp"
#include "spill/hdf5_result_format.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <memory>
#include <string>
#include <thread>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Waits as a worker's loop does.
ExecutedTask wait_for_result(HandoffExecutor& executor, IdleWaiter& waiter) {
  while (true) {
    if (auto finished = executor.take_finished()) return std::move(*finished);
    waiter.wait();
  }
}

}  // namespace

TEST_CASE("a large result waits until its folder is made, or until the executor is closed") {
  const TemporaryFolder folder;
  WakeFlag wake_flag;
  IdleWaiter waiter(Settings{}, false, wake_flag);
  HandoffExecutor executor(wake_flag, [] {});
  executor.spill_with(result_format());
  std::thread other([&] {
    while (true) {
      auto work = executor.next_task();
      if (!work.task) return;
      executor.finish({work.task->task, TaskEnding::returned, 0.5, Payload{Bytes(5'000), {}}});
    }
  });
  const auto start = [&](std::uint32_t slot) {
    ExecutorTask large{TaskId{slot, 0}, {}, {}};
    large.limits.spill_over_bytes = 1000;
    large.place = {std::make_shared<const SpillPlace>(SpillPlace{"/scratch", "", ""}), CallId{1}, slot};
    executor.start(std::move(large));
    while (!executor.wants_spill_folder()) waiter.wait();
    CHECK_FALSE(executor.take_finished());
  };
  const std::string path = (folder / "").string();
  start(1);
  executor.give_spill_folder(std::make_shared<const SpillPlace>(SpillPlace{path, path, ""}));
  CHECK(wait_for_result(executor, waiter).ending == TaskEnding::spilled);
  start(2);
  executor.give_spill_folder(std::make_shared<const SpillPlace>());
  CHECK(wait_for_result(executor, waiter).ending == TaskEnding::returned);
  start(3);
  executor.close();
  other.join();
}
