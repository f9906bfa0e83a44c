#include "executor/process_wear.hpp"

#include "forked_executor.hpp"
#include "support/catch.hpp"

#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

ProcessWear::Limits growth_limit(std::uint64_t bytes) {
  return {.most_tasks = 0, .most_growth_bytes = bytes, .seconds_between_looks = 0};
}

}  // namespace

TEST_CASE("a process is replaced after as many tasks as it may run") {
  WorkerSide worker({}, 30, 30, {.most_tasks = 3});
  std::vector<std::string> pids;
  for (int task = 0; task < 7; ++task) pids.push_back(head_text(worker.run("pid")));
  CHECK(pids[0] == pids[2]);
  CHECK(pids[2] != pids[3]);
  CHECK(pids[3] == pids[5]);
  CHECK(pids[5] != pids[6]);
}

TEST_CASE("a worker without a task replaces a process, too") {
  WorkerSide worker({}, 30, 30, {.most_tasks = 1});
  const std::string first = head_text(worker.run("pid"));
  wait_until_gone(static_cast<pid_t>(std::stol(first)));
  while (worker.zygote->region().ready_generation != 2) {
    worker.executor.reclaim();
    worker.zygote->worker_wake_flag().wait_for(std::chrono::milliseconds(1));
  }
  CHECK(head_text(worker.run("pid")) != first);
}

TEST_CASE("objects are given to a new process as well") {
  WorkerSide worker({}, 30, 30, {.most_tasks = 1});
  const auto value = std::make_shared<const Payload>(Payload{{}, {SharedBytes(pattern(200'000, 1))}});
  for (int round = 0; round < 4; ++round) {
    worker.start("objects", {}, {}, {{ObjectId{7}, value}});
    CHECK(head_text(worker.wait_for_result()) == "1");
    if (round % 2 == 0) worker.executor.forget(ObjectId{7});
  }
}

TEST_CASE("a process that has grown is replaced, and one that has not stays") {
  WorkerSide worker({}, 30, 30,
                    growth_limit(std::uint64_t{256} << 20));  // AddressSanitizer needs some of it for itself
  const std::string first = head_text(worker.run("pid"));
  for (int task = 0; task < 100; ++task) CHECK(head_text(worker.run("pid")) == first);
  CHECK(head_text(worker.run("leak_megabytes 160")) == first);
  CHECK(head_text(worker.run("leak_megabytes 160")) == first);
  CHECK(head_text(worker.run("pid")) != first);
}

TEST_CASE("a process that has opened most of the files that it may open is replaced") {
  WorkerSide worker({}, 30, 30, growth_limit(std::uint64_t{1} << 40));
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit few{400, limit.rlim_max};  // only of this process, which reads it
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  const std::string first = head_text(worker.run("pid"));
  CHECK(head_text(worker.run("leak_files 200")) == first);
  CHECK(head_text(worker.run("leak_files 200")) == first);
  CHECK(head_text(worker.run("pid")) != first);
  setrlimit(RLIMIT_NOFILE, &limit);
}

TEST_CASE("a process that does not exit when it is replaced is killed") {
  WorkerSide worker({}, 30, 30, {.most_tasks = 2});
  const std::string first = head_text(worker.run("stay"));
  CHECK(head_text(worker.run("pid")) == first);
  const ExecutedTask next = worker.run("pid");
  CHECK(next.ending == TaskEnding::returned);
  CHECK(head_text(next) != first);
  wait_until_gone(static_cast<pid_t>(std::stol(first)));
}
