// A program whose session ends in the way that its argument names. It is compiled under two names, as two programs.

#include <joblib_mpi/joblib_mpi.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ranges>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace jm = joblib_mpi;

#ifndef JOBLIB_MPI_TESTS_OTHER_TEXT
#define JOBLIB_MPI_TESTS_OTHER_TEXT "unknown"
#endif

namespace {

int square(int value) {
  return value * value;
}

int die_at_3(int value) {
  if (value == 3) std::abort();
  return value;
}

int kill_at_3(int value) {
  if (value == 3) kill(getpid(), SIGKILL);
  return value;
}

int exit_at_3(int value) {
  if (value == 3) std::exit(7);
  return value;
}

int exit_0_at_3(int value) {
  if (value == 3) std::exit(0);
  return value;
}

/// Runs a task that fails and another that would run far longer than any test waits.
int fail_or_sleep(int value) {
  if (value == 0) throw std::runtime_error("task 0 failed");
  sleep(600);
  return value;
}

template <auto function>
void call(int tasks) {
  (void)jm::Parallel()(std::views::iota(0, tasks) |
                       std::views::transform([](int value) { return jm::delayed<function>(value); }));
}

int act(const std::string& ending) {
  call<square>(100);
  if (ending == "return_0") return 0;
  if (ending == "return_3") return 3;
  if (ending == "exit_3") std::exit(3);
  if (ending == "_exit_4") _exit(4);
  if (ending == "abort") std::abort();
  if (ending == "throw") throw std::runtime_error("the input is missing");
  if (ending == "task_aborts") call<die_at_3>(100);
  if (ending == "task_is_killed") call<kill_at_3>(100);
  if (ending == "task_exits") call<exit_at_3>(100);
  if (ending == "task_exits_0") call<exit_0_at_3>(100);
  if (ending == "task_sleeps") call<fail_or_sleep>(2);
  throw std::invalid_argument(JOBLIB_MPI_TESTS_OTHER_TEXT " ending " + ending);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string ending = argc > 1 ? argv[1] : "return_0";
  if (ending == "task_sleeps") {
    // The task's error is handled here; the other task is still running.
    jm::MpiSession session{argc, argv};
    return session.run([&] {
      try {
        return act(ending);
      } catch (const std::runtime_error& error) {
        std::printf("handled: %s\n", error.what());
        std::fflush(stdout);
        return 2;
      }
    });
  }
  if (ending == "no_run") {
    const jm::MpiSession session{argc, argv};
    return 0;
  }
  if (ending == "outlives_mpi") {
    MPI_Init(&argc, &argv);
    jm::MpiSession session{MPI_COMM_WORLD};
    session.run([] { call<square>(100); });
    MPI_Finalize();
    try {
      session.run([] {});
    } catch (const jm::MpiError&) {
      return 0;
    }
    return 1;
  }
  if (ending == "two_sessions") {
    {
      const jm::MpiSession first{argc, argv};
    }
    try {
      const jm::MpiSession second{argc, argv};
    } catch (const jm::MpiError& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 5;
    }
    return 0;
  }
  jm::MpiSession session{argc, argv};
  return session.run([&] { return act(ending); });
}
