// Measures the round trip of a task that does nothing from a worker to an executor: in the worker's thread, in another
// thread, and in another process.
//
//   build/release/benchmarks/cpp/benchmark_executor_round_trip [tasks] [rounds]
//   taskset -c 0 build/release/benchmarks/cpp/benchmark_executor_round_trip
//
// Prints medians over the rounds in µs per task, each also as a ratio to the first, and the ratio of the last to the
// second.

#include "core/idle_waiter.hpp"
#include "executor/handoff_executor.hpp"
#include "executor/in_process_executor.hpp"
#include "executor/isolated_executor.hpp"
#include "executor/zygote.hpp"
#include "median.hpp"
#include "segments/segment_pool.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <unistd.h>
#include <variant>
#include <vector>

namespace jm = joblib_mpi;

namespace {

class NoRunner final : public jm::TaskRunner {
 public:
  bool run(const jm::ExecutorTask&, jm::Payload&, std::vector<jm::ArrayLayout>&) override { return true; }
  void forget(jm::ObjectId) override {}
};

void work_off(jm::TaskPort& port) {
  while (true) {
    const jm::TaskPort::Work work = port.next_task();
    if (!work.task) return;
    port.finish({work.task->task, jm::TaskEnding::returned, 0, {}});
  }
}

/// Waits as a worker's loop does, on a core that the executor does not use.
double microseconds_per_task(jm::Executor& executor, jm::IdleWaiter& waiter, unsigned tasks) {
  const double seconds = seconds_of([&] {
    for (unsigned number = 0; number < tasks; ++number) {
      executor.start({jm::TaskId{number, 0}, {}, {}});
      while (!executor.take_finished()) waiter.wait();
      waiter.reset();
    }
  });
  return seconds * 1e6 / tasks;
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned tasks = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 50'000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 7;
  auto side = jm::Zygote::fork({});
  if (auto* port = std::get_if<std::unique_ptr<jm::ExecutorPort>>(&side)) {
    work_off(**port);
    _exit(0);
  }
  const auto zygote = std::move(std::get<std::unique_ptr<jm::Zygote>>(side));
  const bool own_core = std::thread::hardware_concurrency() > 1;
  jm::IdleWaiter waiter({}, own_core, zygote->worker_wake_flag());

  NoRunner runner;
  jm::InProcessExecutor in_process(runner);
  jm::HandoffExecutor handoff(zygote->worker_wake_flag(), [] {});
  std::jthread other([&] { work_off(handoff); });
  jm::SegmentPool pool;
  jm::IsolatedExecutor isolated(*zygote, pool, {});

  std::vector<double> here, thread, process;
  for (int round = 0; round <= rounds; ++round) {
    const double a = microseconds_per_task(in_process, waiter, tasks);
    const double b = microseconds_per_task(handoff, waiter, tasks);
    const double c = microseconds_per_task(isolated, waiter, tasks);
    if (round == 0) continue;  // warm-up
    std::printf("round %d: in process %.3f µs, another thread %.3f µs, another process %.3f µs\n", round, a, b, c);
    here.push_back(a);
    thread.push_back(b);
    process.push_back(c);
  }
  handoff.close();
  std::printf("median µs per task: in process %.3f, another thread %.3f, another process %.3f\n", median(here),
              median(thread), median(process));
  std::printf("another process: %.2f times another thread, %.2f µs more than in process\n",
              median(process) / median(thread), median(process) - median(here));
}
