#include "executor/zygote.hpp"

#include "forked_executor.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/error.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Returns what `function` and its executor processes print on stdout.
template <class Function>
std::string captured_stdout(Function&& function) {
  std::fflush(stdout);
  std::FILE* file = std::tmpfile();
  const int terminal = dup(STDOUT_FILENO);
  dup2(fileno(file), STDOUT_FILENO);
  function();
  std::fflush(stdout);
  dup2(terminal, STDOUT_FILENO);
  close(terminal);
  std::string text(4096, '\0');
  text.resize(static_cast<std::size_t>(pread(fileno(file), text.data(), text.size(), 0)));
  std::fclose(file);
  return text;
}

}  // namespace

TEST_CASE("executors know nothing of the launcher but what the user allows") {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_SIZE", "OMPI_ALLOW_RUN_AS_ROOT",
                           "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "PMIXED_DRINKS"}) {
    setenv(name, "1", 1);
  }
  WorkerSide worker;
  CHECK(std::getenv("OMPI_COMM_WORLD_RANK") != nullptr);
  const std::string environment = "\n" + head_text(worker.run("environment"));
  for (const std::string gone : {"\nOMPI_COMM", "\nPMIX_", "\nPMI_"})
    CHECK(environment.find(gone) == std::string::npos);
  for (const std::string kept : {"\nOMPI_ALLOW_RUN_AS_ROOT=1", "\nOMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "\nPATH="}) {
    CHECK(environment.find(kept) != std::string::npos);
  }
}

TEST_CASE("what a task prints is in the rank's output, once") {
  const std::string printed = captured_stdout([] {
    std::printf("before the fork\n");
    WorkerSide worker;
    worker.run("print");
  });
  CHECK(printed == "before the fork\nprinted by a task\n");
}

TEST_CASE("a task has no input") {
  WorkerSide worker;
  CHECK(head_text(worker.run("read_stdin")) == "0");
}

TEST_CASE("what is prepared is there in every executor and was made once") {
  ZygoteOptions options;
  options.prepare = [] { setenv("JOBLIB_MPI_TEST_PREPARED_BY", std::to_string(getpid()).c_str(), 1); };
  WorkerSide worker(options);
  worker.zygote->wait_until_prepared();
  const std::string expected = "JOBLIB_MPI_TEST_PREPARED_BY=" + std::to_string(worker.zygote->pid()) + "\n";
  for (int round = 0; round < 2; ++round) {
    CHECK_THAT(head_text(worker.run("environment")), contains(expected));
    worker.run("exit 1");
  }
  CHECK(std::getenv("JOBLIB_MPI_TEST_PREPARED_BY") == nullptr);
}

TEST_CASE("what goes wrong in preparing reaches the rank as text") {
  ZygoteOptions options;
  options.prepare = [] { throw std::runtime_error("no module named skleran"); };
  WorkerSide worker(options);
  const std::string expected = "executor processes could not be prepared: no module named skleran";
  CHECK(error_text<Error>([&] { worker.zygote->wait_until_prepared(); }) == expected);
  const ExecutedTask lost = worker.run("echo");
  CHECK(lost.ending == TaskEnding::lost);
  CHECK(head_text(lost) == expected);
}

TEST_CASE("a zygote that ends while it prepares is noticed") {
  ZygoteOptions options;
  options.prepare = [] { _exit(3); };
  const auto zygote = fork_zygote(options);
  CHECK(error_text<Error>([&] { zygote->wait_until_prepared(); }) ==
        "the process that starts executors ended with exit code 3");
}

TEST_CASE("the hooks surround every fork") {
  ZygoteOptions options;
  std::string calls;
  options.hooks = {[&] { calls += "b"; }, [&] { calls += "p"; },
                   [&] {
                     calls += "c";
                     setenv("JOBLIB_MPI_TEST_CALLS", calls.c_str(), 1);
                   }};
  WorkerSide worker(options);
  CHECK(calls == "bp");  // of the keeper, which forks the zygote, which forks executors
  CHECK_THAT(head_text(worker.run("environment")), contains("JOBLIB_MPI_TEST_CALLS=bcbcbc\n"));
  worker.run("exit 1");
  CHECK_THAT(head_text(worker.run("environment")), contains("JOBLIB_MPI_TEST_CALLS=bcbcbpbc\n"));
}

TEST_CASE("the process of an executor that has run a task is known, however slow the zygote is") {
  ZygoteOptions options;
  options.hooks.in_parent = [] { std::this_thread::sleep_for(std::chrono::milliseconds(500)); };
  WorkerSide worker(options);
  for (int round = 0; round < 2; ++round) {
    const std::string process = head_text(worker.run("pid"));
    CHECK(process == std::to_string(worker.zygote->region().executor_pid));
    worker.run("exit 1");
  }
}

TEST_CASE("signals that end the rank do not end the zygote before it has cleaned up") {
  WorkerSide worker;
  worker.zygote->wait_until_prepared();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) kill(worker.zygote->pid(), signal);
  CHECK(worker.run("echo").ending == TaskEnding::returned);
  CHECK(head_text(worker.run("signal 15")) == "signal 15 (SIGTERM)");
}

TEST_CASE("when the rank is killed its zygote, executor and all that tasks have started end") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t rank = fork();
  if (rank == 0) {
    WorkerSide worker;
    std::istringstream children(head_text(worker.run("children")));
    std::array<pid_t, 5> pids{worker.zygote->pid(), worker.executor_pid(), 0, 0, worker.zygote->keeper_pid()};
    children >> pids[2] >> pids[3];
    if (write(ends[1], pids.data(), sizeof pids) != sizeof pids) _exit(1);
    while (true) pause();
  }
  std::array<pid_t, 5> pids{};
  close(ends[1]);  // so that reading ends if the rank does
  REQUIRE(read(ends[0], pids.data(), sizeof pids) == sizeof pids);
  close(ends[0]);
  for (const pid_t process : pids) CHECK(kill(process, 0) == 0);
  kill(rank, SIGKILL);
  waitpid(rank, nullptr, 0);
  for (const pid_t process : pids) wait_until_gone(process);
}

TEST_CASE("a zygote that does not react when its rank is killed is killed, too, and its executor with it") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t rank = fork();
  if (rank == 0) {
    WorkerSide worker;
    const std::array<pid_t, 3> pids{worker.zygote->pid(), worker.executor_pid(), worker.zygote->keeper_pid()};
    kill(pids[0], SIGSTOP);
    if (write(ends[1], pids.data(), sizeof pids) != sizeof pids) _exit(1);
    while (true) pause();
  }
  std::array<pid_t, 3> pids{};
  close(ends[1]);  // so that reading ends if the rank does
  REQUIRE(read(ends[0], pids.data(), sizeof pids) == sizeof pids);
  close(ends[0]);
  kill(rank, SIGKILL);
  waitpid(rank, nullptr, 0);
  for (const pid_t process : pids) wait_until_gone(process);
}

TEST_CASE("a keeper that another process has forked and that stands still before its fork is killed") {
  auto [zygote, lifeline] = Zygote::with_keeper_elsewhere();
  const pid_t rank = getpid();
  const pid_t keeper = fork();
  if (keeper == 0) {
    zygote.release();  // the rank's; closing it would end the zygote
    ZygoteOptions options;
    options.hooks.before = [] {
      while (true) pause();
    };
    (void)Zygote::keep(std::move(lifeline), options, rank);
    _exit(0);
  }
  lifeline = {};
  while (zygote->region().keeper_pid == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK_THAT(error_text<Error>([&] { zygote->start(std::chrono::milliseconds(100)); }), contains("does not react"));
  zygote.reset();
  int status = 0;
  REQUIRE(waitpid(keeper, &status, 0) == keeper);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
}

TEST_CASE("a keeper that another process has forked serves the rank as its own child would") {
  auto [zygote, lifeline] = Zygote::with_keeper_elsewhere();
  const pid_t rank = getpid();
  const pid_t server = fork();
  if (server == 0) {
    if (fork() != 0) _exit(0);  // the keeper is no child of the rank
    zygote.release();           // the rank's; closing it would end the zygote
    keep_executors(std::move(lifeline), rank);
  }
  waitpid(server, nullptr, 0);
  lifeline = {};
  zygote->start();
  WorkerSide worker(std::move(zygote));
  for (int round = 0; round < 2; ++round) {
    const pid_t process = worker.executor_pid();
    const pid_t keeper = parent_of(worker.zygote->pid());
    CHECK(parent_of(process) == worker.zygote->pid());
    CHECK(parent_of(keeper) != getpid());
    CHECK(worker.run("reverse", {SharedBytes(pattern(8'000'000, 3))}).result.parts.at(0).size() == 8'000'000);
    CHECK(head_text(worker.run("signal 11")) == "signal 11 (SIGSEGV)");
    const pid_t next = worker.executor_pid();
    kill(worker.zygote->pid(), SIGKILL);
    wait_until_gone(next);
    CHECK(worker.run("echo").ending == TaskEnding::returned);
  }
}
