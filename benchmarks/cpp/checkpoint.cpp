// Measures the cost of a checkpoint in C++: the wall time of a call without a checkpoint, with one, and with one that
// holds all results.
//
//   mpirun -n 2 build/release/benchmarks/cpp/benchmark_checkpoint [tasks] [rounds]
//
// The tasks do nothing. Each round runs both variants one after the other and yields one ratio. The time with a
// checkpoint includes opening it, writing its last bytes to the disk, and merging its parts into one file.

#include "median.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <ranges>
#include <string>
#include <unistd.h>
#include <vector>

namespace jm = joblib_mpi;

namespace {

int next_number(int number) {
  return number + 1;
}

double seconds_for(int tasks, const std::optional<std::filesystem::path>& checkpoint) {
  return seconds_of([&] {
    const jm::parallel_config config({.checkpoint = checkpoint});
    const std::vector<int> results = jm::Parallel()(std::views::iota(0, tasks) | std::views::transform([](int number) {
                                                      return jm::delayed<next_number>(number);
                                                    }));
    if (results.back() != tasks) std::abort();
  });
}

void compare(int tasks, int rounds) {
  std::vector<double> without, with, resumed, with_ratio, resumed_ratio;
  for (int round = 0; round <= rounds; ++round) {
    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("benchmark_checkpoint_" + std::to_string(getpid()) + ".h5");
    const double a = seconds_for(tasks, std::nullopt);
    const double b = seconds_for(tasks, path);
    const double c = seconds_for(tasks, path);
    std::filesystem::remove(path);
    if (round == 0) continue;  // warm-up
    std::printf("round %d: without %.4f s, with %.4f s, resumed %.4f s\n", round, a, b, c);
    without.push_back(a);
    with.push_back(b);
    resumed.push_back(c);
    with_ratio.push_back(b / a);
    resumed_ratio.push_back(c / a);
  }
  const double microseconds = 1e6 / tasks;
  std::printf("median µs per task: without %.2f, with %.2f, resumed %.2f\n", median(without) * microseconds,
              median(with) * microseconds, median(resumed) * microseconds);
  std::printf("median of the ratios to without: with %.2f, resumed %.2f\n", median(with_ratio), median(resumed_ratio));
}

}  // namespace

int main(int argc, char** argv) {
  const int tasks = argc > 1 ? std::atoi(argv[1]) : 20000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  jm::MpiSession session{argc, argv};
  return session.run([&] { compare(tasks, rounds); });
}
