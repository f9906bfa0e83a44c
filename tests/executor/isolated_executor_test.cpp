#include "executor/isolated_executor.hpp"

#include "forked_executor.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <utility>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("a task that is run in another process returns its result") {
  WorkerSide worker;
  CHECK_FALSE(worker.executor.take_finished());
  const ExecutedTask done = worker.run("echo hello");
  CHECK(done.ending == TaskEnding::returned);
  CHECK(done.seconds == 0.25);
  CHECK(head_text(done) == " hello");
  CHECK_FALSE(worker.executor.take_finished());
}

TEST_CASE("tasks one after another run in the same process, which is not the rank's") {
  WorkerSide worker;
  const pid_t first = worker.executor_pid();
  CHECK(first != getpid());
  bool all_right = true;
  for (int round = 0; round < 2'000; ++round) {
    all_right = all_right && head_text(worker.run("echo " + std::to_string(round))) == " " + std::to_string(round);
  }
  CHECK(all_right);
  CHECK(worker.executor_pid() == first);
}

TEST_CASE("a process that a task ends is replaced, and the reason is said, two hundred times in a row") {
  WorkerSide worker;
  const std::pair<std::string, std::string> ways[] = {{"signal " + std::to_string(SIGSEGV), "signal 11 (SIGSEGV)"},
                                                      {"abort", "signal 6 (SIGABRT)"},
                                                      {"exit 1", "exit code 1"},
                                                      {"signal " + std::to_string(SIGKILL), "signal 9 (SIGKILL)"}};
  for (int round = 0; round < 200; ++round) {
    const auto& [way, reason] = ways[round % 4];
    const ExecutedTask lost = worker.run(way);
    REQUIRE(lost.ending == TaskEnding::lost);
    REQUIRE(head_text(lost) == reason);
    REQUIRE(head_text(worker.run("echo")).empty());
  }
}

TEST_CASE("an exit with success in the middle of a task loses the task, too") {
  WorkerSide worker;
  CHECK(head_text(worker.run("exit 0")) == "exit code 0");
}

TEST_CASE("a process that is ended from outside between two tasks is replaced silently") {
  WorkerSide worker;
  for (int round = 0; round < 20; ++round) {
    kill(worker.executor_pid(), SIGKILL);
    REQUIRE(worker.run("echo").ending == TaskEnding::returned);
  }
}

TEST_CASE("processes that cannot begin cost the task and are not retried without end") {
  ZygoteOptions options;
  options.hooks.in_child = [forks = 0]() mutable {
    if (++forks > 2) _exit(7);  // the keeper and the zygote stay alive
  };
  WorkerSide worker(options);
  for (int round = 0; round < 2; ++round) {
    const ExecutedTask lost = worker.run("echo");
    CHECK(lost.ending == TaskEnding::lost);
    CHECK(head_text(lost) == "3 executor processes in a row ended before they took a task, the last with exit code 7");
  }
}

TEST_CASE("a task that obeys when its time is up has timed out and its process goes on") {
  WorkerSide worker;
  const pid_t process = worker.executor_pid();
  for (const std::string way : {"spin ", "sleep "}) {
    const std::string file = new_file_name();
    worker.start(way + file, {}, {.seconds = 0.05});
    worker.wait_for_file(file);
    const ExecutedTask late = worker.wait_for_result();
    CHECK(late.ending == TaskEnding::timed_out);
    CHECK(head_text(late) == "ran longer than its limit of 0.05 s");
  }
  CHECK(worker.executor_pid() == process);
}

TEST_CASE("a task that does not obey when its time is up loses its process after the grace period") {
  WorkerSide worker({}, 0.05);
  const std::string file = new_file_name();
  worker.start("deaf " + file, {}, {.seconds = 0.05});
  worker.wait_for_file(file);
  const ExecutedTask late = worker.wait_for_result();
  CHECK(late.ending == TaskEnding::timed_out);
  CHECK(head_text(late) == "ran longer than its limit of 0.05 s");
  CHECK(worker.run("echo").ending == TaskEnding::returned);
}

TEST_CASE("a task within its time is not disturbed") {
  WorkerSide worker;
  for (int round = 0; round < 100; ++round) {
    REQUIRE(worker.run("echo", {}, {.seconds = 3600}).ending == TaskEnding::returned);
  }
}

TEST_CASE("a cancelled task that obeys ends early and the next one is not interrupted") {
  WorkerSide worker;
  const pid_t process = worker.executor_pid();
  const std::string file = new_file_name();
  worker.start("sleep " + file);
  worker.wait_for_file(file);
  worker.executor.interrupt();
  worker.executor.interrupt();
  CHECK(head_text(worker.wait_for_result()) == "interrupted");
  CHECK(worker.run("echo").ending == TaskEnding::returned);
  CHECK(worker.executor_pid() == process);
}

TEST_CASE("a cancelled task that does not obey loses its process after the grace period") {
  WorkerSide worker({}, 0.05);
  const std::string file = new_file_name();
  worker.start("deaf " + file);
  worker.wait_for_file(file);
  worker.executor.interrupt();
  CHECK(worker.wait_for_result().ending == TaskEnding::lost);
  CHECK(worker.run("echo").ending == TaskEnding::returned);
}

TEST_CASE("a task is cancelled at once while there is no process for it") {
  ZygoteOptions options;
  int never_written[2];
  REQUIRE(pipe(never_written) == 0);
  options.prepare = [&] {
    char byte = 0;
    (void)!read(never_written[0], &byte, 1);
  };
  {
    WorkerSide worker(options);
    worker.start("echo");
    CHECK_FALSE(worker.executor.take_finished());
    worker.executor.interrupt();
    CHECK(worker.wait_for_result().ending == TaskEnding::lost);
  }
  close(never_written[0]);
  close(never_written[1]);
}

TEST_CASE("a task that uses more memory than it may is ended and says how much it had") {
  WorkerSide worker;
  const std::uint64_t limit = 400'000'000;
  CHECK(worker.run("echo", {}, {.memory_bytes = limit}).ending == TaskEnding::returned);
  const ExecutedTask lost = worker.run("use_megabytes 1000", {}, {.memory_bytes = limit});
  CHECK(lost.ending == TaskEnding::lost);
  CHECK_THAT(head_text(lost), contains("memory limit: used "));
  CHECK_THAT(head_text(lost), contains(" MB of 400 MB"));
  CHECK(worker.run("echo").ending == TaskEnding::returned);
}

TEST_CASE("what a task has started ends with its process") {
  WorkerSide worker;
  const std::string file = new_file_name();
  worker.start("children_then_die " + file);
  const ExecutedTask lost = worker.wait_for_result();
  CHECK(head_text(lost) == "signal 9 (SIGKILL)");
  std::ifstream pids(file);
  pid_t child = 0;
  pid_t grandchild = 0;
  REQUIRE((pids >> child >> grandchild));
  std::filesystem::remove(file);
  CHECK(kill(child, 0) != 0);
  CHECK(kill(grandchild, 0) != 0);
}

TEST_CASE("a child that a task forks ends when it returns from the task, and only its parent answers") {
  int output[2];
  REQUIRE(pipe(output) == 0);
  {
    ZygoteOptions options;
    options.prepare = [&] { dup2(output[1], STDOUT_FILENO); };
    WorkerSide worker(options);
    for (int round = 0; round < 20; ++round) {
      const ExecutedTask done = worker.run("fork");
      REQUIRE(done.ending == TaskEnding::returned);
      CHECK(head_text(done) == "status 0");
      CHECK(is_pattern(done.result.parts.at(0).view(), 8'000'000, 2));
    }
  }
  close(output[1]);
  std::string said;
  char byte = 0;
  while (read(output[0], &byte, 1) == 1) said += byte;
  close(output[0]);
  std::string expected;
  for (int round = 0; round < 20; ++round) expected += "said before the fork, said by the child\n";
  CHECK(said == expected);
}

TEST_CASE("what cleans up after others may do so before it ends") {
  WorkerSide worker;
  const std::string file = new_file_name();
  worker.start("tracker_then_die " + file);
  CHECK(head_text(worker.wait_for_result()) == "signal 9 (SIGKILL)");
  CHECK(std::filesystem::remove(file));
}

TEST_CASE("a zygote that is killed is started again, every time, and the task that it ran is lost with that reason") {
  WorkerSide worker;
  for (int round = 0; round < 5; ++round) {
    const pid_t process = worker.executor_pid();
    const pid_t zygote = worker.zygote->pid();
    CHECK(parent_of(process) == zygote);
    CHECK(parent_of(zygote) == worker.zygote->keeper_pid());
    CHECK(parent_of(worker.zygote->keeper_pid()) == getpid());
    const std::string file = new_file_name();
    worker.start("deaf " + file);
    worker.wait_for_file(file);
    kill(zygote, SIGKILL);
    const ExecutedTask lost = worker.wait_for_result();
    CHECK(lost.ending == TaskEnding::lost);
    CHECK(head_text(lost) == "the process that starts executors ended with signal 9 (SIGKILL)");
    CHECK(worker.run("echo").ending == TaskEnding::returned);
    CHECK_FALSE(worker.executor.broken());
    CHECK(worker.zygote->pid() != zygote);
    wait_until_gone(process);
    const pid_t next = worker.executor_pid();
    kill(worker.zygote->pid(), SIGKILL);  // while there is no task
    wait_until_gone(next);                // which would answer once more
    CHECK(worker.run("echo").ending == TaskEnding::returned);
  }
}

TEST_CASE("once the zygote and its keeper are gone every task is lost with that reason") {
  WorkerSide worker;
  const pid_t process = worker.executor_pid();
  kill(worker.zygote->keeper_pid(), SIGKILL);
  wait_until_gone(worker.zygote->keeper_pid());
  CHECK(worker.run("echo").ending == TaskEnding::returned);  // the zygote alone serves on
  kill(worker.zygote->pid(), SIGKILL);
  wait_until_gone(process);
  const std::string reason =
      "the process that starts executors has ended, and so has the one that would start it again";
  for (int task = 0; task < 2; ++task) {
    const ExecutedTask lost = worker.run("echo");
    CHECK(lost.ending == TaskEnding::lost);
    CHECK(head_text(lost) == reason);
  }
  CHECK(worker.executor.broken() == reason);
}

TEST_CASE("a task that closes files of the executor costs later tasks nothing and ends if its own result needs them") {
  WorkerSide worker;
  CHECK(head_text(worker.run("close_files")) == "closed");
  const ExecutedTask next = worker.run("reverse", {SharedBytes(pattern(8'000'000, 3))});
  CHECK(next.ending == TaskEnding::returned);
  CHECK(next.result.parts.at(0).size() == 8'000'000);
  CHECK(worker.run("close_files_and_return_much").ending == TaskEnding::lost);
  CHECK(worker.run("echo").ending == TaskEnding::returned);
}

TEST_CASE("a zygote that does not react is killed and started again, and the task is lost with that reason") {
  for (const std::string task : {"exit 3", "deaf "}) {
    WorkerSide worker({}, 0.05, 0.3);
    CHECK(worker.run("echo").ending == TaskEnding::returned);
    kill(worker.zygote->pid(), SIGSTOP);
    const std::string file = new_file_name();
    worker.start(task + (task == "deaf " ? file : ""));
    if (task == "deaf ") {
      worker.wait_for_file(file);
      worker.executor.interrupt();
    }
    const ExecutedTask lost = worker.wait_for_result();
    CHECK(lost.ending == TaskEnding::lost);
    CHECK(head_text(lost) == "the process that starts executors ended with signal 9 (SIGKILL)");
    CHECK_FALSE(worker.executor.broken());
    CHECK(worker.run("echo").ending == TaskEnding::returned);
  }
}

TEST_CASE("executors one after another may use the same zygote") {
  const auto zygote = fork_zygote();
  SegmentPool pool;
  for (std::uint32_t round = 0; round < 20; ++round) {
    IsolatedExecutor executor(*zygote, pool, {});
    for (const std::string what : {"exit 4", "echo"}) {
      executor.start({TaskId{round, 0}, Payload{bytes(what), {}}, {}});
      std::optional<ExecutedTask> done;
      while (!(done = executor.take_finished())) zygote->worker_wake_flag().wait_for(std::chrono::milliseconds(1));
      CHECK(head_text(*done) == (what == "echo" ? "" : "exit code 4"));
    }
  }
}
