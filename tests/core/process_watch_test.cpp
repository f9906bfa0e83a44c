#include "core/process_watch.hpp"

#include "support/catch.hpp"
#include "support/open_files.hpp"

#include <array>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace joblib_mpi;

namespace joblib_mpi::test {
namespace {

std::ptrdiff_t thread_count(pid_t process) {
  using Iterator = std::filesystem::directory_iterator;
  return std::distance(Iterator("/proc/" + std::to_string(process) + "/task"), Iterator());
}

/// A child that runs a function, until the end of this object.
class ChildProcess {
 public:
  template <class Function>
  explicit ChildProcess(Function function) {
    std::array<int, 2> pipe_ends{};
    REQUIRE(pipe(pipe_ends.data()) == 0);
    pid_ = fork();
    if (pid_ == 0) {
      const std::string name = own_process();
      [[maybe_unused]] const auto written = write(pipe_ends[1], name.data(), name.size());
      function();
    }
    std::array<char, 64> name{};
    const auto size = read(pipe_ends[0], name.data(), name.size());
    for (const int end : pipe_ends) close(end);
    REQUIRE(size > 0);
    name_.assign(name.data(), static_cast<std::size_t>(size));
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  pid_t pid_;
  std::string name_;
};

}  // namespace
}  // namespace joblib_mpi::test

TEST_CASE("a process runs until it has ended, reaped or not") {
  CHECK(is_running(own_process()));

  const test::ChildProcess child([] {
    for (;;) pause();
  });
  const std::string& process = child.name();
  CHECK(process != own_process());
  CHECK(is_running(process));
  kill(child.pid(), SIGKILL);
  siginfo_t ended{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(child.pid()), &ended, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(is_running(process));
  REQUIRE(waitpid(child.pid(), nullptr, 0) == child.pid());
  CHECK_FALSE(is_running(process));
}

TEST_CASE("a stopped process has not ended, even where no file can be opened, and a killed one has") {
  const test::ChildProcess child([] {
    for (;;) pause();
  });
  kill(child.pid(), SIGSTOP);
  siginfo_t change{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(child.pid()), &change, WSTOPPED) == 0);
  CHECK_FALSE(has_ended(child.pid()));
  {
    const test::NoMoreFiles limit;
    CHECK_FALSE(has_ended(child.pid()));
  }
  kill(child.pid(), SIGKILL);
  REQUIRE(waitid(P_PID, static_cast<id_t>(child.pid()), &change, WEXITED | WNOWAIT) == 0);
  CHECK(has_ended(child.pid()));
  REQUIRE(waitpid(child.pid(), nullptr, 0) == child.pid());
  CHECK(has_ended(child.pid()));
}

TEST_CASE("a process that has another's number is not that one") {
  CHECK_FALSE(is_running(std::to_string(getpid()) + ":1"));
  CHECK_FALSE(is_running(""));
  CHECK_FALSE(is_running("123"));
}

TEST_CASE(
    "a process that runs is at work, one that is stopped or has ended is not, and one that sleeps is not for long") {
  const test::ChildProcess child([] {
    for (;;) pause();
  });
  ActivityWatch watch;
  while (watch.is_at_work(child.name())) {  // at the latest once it sleeps
  }
  CHECK_FALSE(watch.is_at_work(child.name()));
  CHECK(ActivityWatch().is_at_work(child.name()));

  const test::ChildProcess busy([] {
    for (;;) (void)getppid();
  });
  for (int look = 0; look < 10; ++look) CHECK(watch.is_at_work(busy.name()));
  const test::ChildProcess busy_beside([] {
    std::thread second([] {
      for (;;) (void)getppid();
    });
    second.join();
  });
  while (test::thread_count(busy_beside.pid()) < 2) std::this_thread::yield();
  // Looks that follow each other at once see no time used.
  for (int look = 0; look < 10; ++look) CHECK(watch.is_at_work(busy_beside.name()));
  kill(busy.pid(), SIGSTOP);
  siginfo_t stopped{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(busy.pid()), &stopped, WSTOPPED | WNOWAIT) == 0);
  CHECK_FALSE(watch.is_at_work(busy.name()));
  kill(busy.pid(), SIGKILL);
  REQUIRE(waitid(P_PID, static_cast<id_t>(busy.pid()), &stopped, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(watch.is_at_work(busy.name()));
  CHECK_FALSE(watch.is_at_work("123"));
}
