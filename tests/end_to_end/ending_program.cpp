// A program whose session ends in the way that its argument names. It is compiled under two names, as two programs.

#include <joblib_mpi/joblib_mpi.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>

namespace jm = joblib_mpi;

#ifndef JOBLIB_MPI_TESTS_OTHER_TEXT
#define JOBLIB_MPI_TESTS_OTHER_TEXT "unknown"
#endif

namespace {

/// The file into which rank 0 writes its stderr where a task waits for a line; check_ending.sh gives each run its mark.
const std::string stderr_file =
    std::filesystem::temp_directory_path() / ("joblib-mpi-" + std::string(std::getenv("JOBLIB_MPI_TEST_MARK")));

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

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

int quick_exit_0_at_3(int value) {
  if (value == 3) std::quick_exit(0);
  return value;
}

int exit_0_on_a_thread_at_3(int value) {
  if (value == 3) std::thread([] { std::exit(0); }).join();
  return value;
}

/// Runs a task that fails and another that would run far longer than any test waits.
int fail_or_sleep(int value) {
  if (value == 0) throw std::runtime_error("task 0 failed");
  sleep(600);
  return value;
}

/// Runs a task that fails and another that ends once rank 0 has said in `stderr_file` that it waits for it.
int fail_or_wait_for_line(int value) {
  if (value == 0) throw std::runtime_error("task 0 failed");
  while (content_of(stderr_file).find("the job waits for it") == std::string::npos) usleep(1000);
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
  if (ending == "task_quick_exits_0") call<quick_exit_0_at_3>(100);
  if (ending == "task_exits_0_on_a_thread") call<exit_0_on_a_thread_at_3>(100);
  if (ending == "task_sleeps") call<fail_or_sleep>(2);
  if (ending == "task_outlasts_run" || ending == "task_outlasts_session") call<fail_or_wait_for_line>(2);
  throw std::invalid_argument(JOBLIB_MPI_TESTS_OTHER_TEXT " ending " + ending);
}

int report_handled(const std::exception& error) {
  std::printf("handled: %s\n", error.what());
  std::fflush(stdout);
  return 2;
}

/// Returns 2 after the error of the task that fails, while the other one is still running.
int status_of_handled(const std::string& ending) {
  try {
    return act(ending);
  } catch (const std::runtime_error& error) {
    return report_handled(error);
  }
}

/// Runs the session while rank 0's stderr goes to a file, and shows the file afterwards.
template <class Session>
int status_after_wait(int rank, const Session& session) {
  if (rank == 0 && std::freopen(stderr_file.c_str(), "w", stderr) == nullptr) std::abort();
  const int status = session();
  if (rank == 0) {
    std::printf("%safter the session\n", content_of(stderr_file).c_str());
    std::filesystem::remove(stderr_file);
  }
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string ending = argc > 1 ? argv[1] : "return_0";
  if (ending == "task_outlasts_run") {
    jm::MpiSession session{argc, argv};
    return status_after_wait(session.rank(), [&] { return session.run([&] { return status_of_handled(ending); }); });
  }
  if (ending == "task_outlasts_session") {
    MPI_Init(&argc, &argv);
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    const int status = status_after_wait(rank, [&] {
      jm::MpiSession session{MPI_COMM_WORLD};
      try {
        return session.run([&] { return act(ending); });
      } catch (const std::runtime_error& error) {
        return rank == 0 ? report_handled(error) : 2;
      }
    });
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return status;
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
