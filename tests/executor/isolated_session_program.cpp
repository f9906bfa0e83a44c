// A program whose tasks run in executor processes: many that return, and some that end their process in every way that
// a C++ function can. Exits with 0 if no other task was affected and tasks saw nothing of the launcher.

#include <joblib_mpi/joblib_mpi.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <numeric>
#include <ranges>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace jm = joblib_mpi;

namespace {

int square(int value) {
  return value * value;
}
double total(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}
std::vector<double> doubled(std::vector<double> values) {
  for (double& value : values) value *= 2;
  return values;
}
int end_process(int way) {
  if (way == 0) std::abort();
  if (way == 1) std::raise(SIGSEGV);
  if (way == 2) std::exit(3);
  if (way == 3) _exit(4);
  return way;
}
bool sees_launcher(int) {
  return std::getenv("OMPI_COMM_WORLD_RANK") != nullptr || std::getenv("PMIX_RANK") != nullptr;
}
int process_id(int) {
  return getpid();
}

std::vector<double> fork_and_return(int value) {
  const pid_t child = fork();
  std::vector<double> result(300'000, child == 0 ? -1 : value);
  int status = 0;
  if (child != 0 && value % 2 == 0) waitpid(child, &status, 0);
  if (status != 0) result.clear();
  return result;
}

bool squares_are_right() {
  constexpr int count = 2'000;
  const auto results = jm::Parallel()(std::views::iota(0, count) |
                                      std::views::transform([](int value) { return jm::delayed<square>(value); }));
  int right = 0;
  for (int value = 0; value < count; ++value) right += results.at(static_cast<std::size_t>(value)) == square(value);
  return right == count;
}

bool large_data_is_right() {
  const std::vector<double> values(300'000, 1.5);
  const auto shared = jm::scatter(values);
  const auto sums =
      jm::Parallel()(std::views::iota(0, 20) | std::views::transform([&](int) { return jm::delayed<total>(shared); }));
  const auto copies =
      jm::Parallel()(std::views::iota(0, 5) | std::views::transform([&](int) { return jm::delayed<doubled>(values); }));
  return std::ranges::all_of(sums, [](double sum) { return sum == 450'000; }) &&
         std::ranges::all_of(copies, [](const auto& copy) { return copy == std::vector<double>(300'000, 3.0); });
}

/// Returns whether a task that forks returns what its parent process returns, even if the child leaves the task later.
bool forks_are_right() {
  const auto results = jm::Parallel()(
      std::views::iota(0, 20) | std::views::transform([](int value) { return jm::delayed<fork_and_return>(value); }));
  for (int value = 0; value < 20; ++value) {
    if (results.at(static_cast<std::size_t>(value)) != std::vector<double>(300'000, value)) return false;
  }
  return true;
}

/// Returns whether each way to end a process fails its call and nothing else.
bool endings_are_survived() {
  for (const int way : {0, 1, 2, 3}) {
    try {
      (void)jm::Parallel()(std::views::iota(way, way + 1) |
                           std::views::transform([](int number) { return jm::delayed<end_process>(number); }));
      std::printf("way %d: the call returned\n", way);
      return false;
    } catch (const std::exception& error) {
      std::printf("way %d: %s\n", way, error.what());
    }
    if (!squares_are_right()) return false;
  }
  return true;
}

bool tasks_are_isolated() {
  const auto seen = jm::Parallel()(std::views::iota(0, 10) |
                                   std::views::transform([](int value) { return jm::delayed<sees_launcher>(value); }));
  const auto processes = jm::Parallel()(
      std::views::iota(0, 10) | std::views::transform([](int value) { return jm::delayed<process_id>(value); }));
  return std::ranges::none_of(seen, [](bool sees) { return sees; }) &&
         std::ranges::none_of(processes, [](int process) { return process == getpid(); });
}

}  // namespace

int main(int argc, char** argv) {
  jm::MpiSession session(argc, argv, {.isolation = jm::Isolation::process});
  int status = 1;
  for (int run = 0; run < 2; ++run) {
    status = session.run([] {
      return squares_are_right() && large_data_is_right() && forks_are_right() && tasks_are_isolated() &&
                     endings_are_survived()
                 ? 0
                 : 1;
    });
  }
  return status;
}
