#include "core/process_watch.hpp"

#include "support/catch.hpp"

#include <array>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using namespace joblib_mpi;

TEST_CASE("a process runs until it has ended, reaped or not") {
  CHECK(is_running(own_process()));

  std::array<int, 2> pipe_ends{};
  REQUIRE(pipe(pipe_ends.data()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string name = own_process();
    [[maybe_unused]] const auto written = write(pipe_ends[1], name.data(), name.size());
    for (;;) pause();
  }
  std::array<char, 64> name{};
  const auto size = read(pipe_ends[0], name.data(), name.size());
  REQUIRE(size > 0);
  const std::string process(name.data(), static_cast<std::size_t>(size));
  CHECK(process != own_process());
  CHECK(is_running(process));
  kill(child, SIGKILL);
  siginfo_t ended{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(is_running(process));
  REQUIRE(waitpid(child, nullptr, 0) == child);
  CHECK_FALSE(is_running(process));
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

TEST_CASE("a process that has another's number is not that one") {
  CHECK_FALSE(is_running(std::to_string(getpid()) + ":1"));
  CHECK_FALSE(is_running(""));
  CHECK_FALSE(is_running("123"));
}
