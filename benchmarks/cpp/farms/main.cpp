// Measures farms of tasks beside each other: joblib_mpi, some written by hand, and DynaMPI where it is installed.
//
//   mpirun --oversubscribe --bind-to none -n 3 build/release/benchmarks/cpp/benchmark_farms [rounds] [small] [WORK...]
//
// In each round the farms take turns at each work, or at those that are named. Prints a line "FARM|WORK|FIGURE" for
// each; benchmarks/peers_cpp.py makes tables of them.

#include "../median.hpp"
#include "bare_farm.hpp"
#include "dynampi_farm.hpp"
#include "farm.hpp"
#include "joblib_mpi_farm.hpp"
#include "workloads.hpp"

#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

std::uint32_t work(std::uint32_t turns) {
  std::uint32_t value = turns;
  for (std::uint32_t turn = 0; turn < turns; ++turn) {
    value = value * 1664525U + 1013904223U;
    asm volatile("" : "+r"(value));  // each turn is made
  }
  return turns + 1;
}

namespace {

/// Returns the turns of `work` in a second: the most that were seen, on rank 0 for all ranks.
double turns_per_second() {
  constexpr std::uint32_t turns = 2'000'000;
  double fastest = std::numeric_limits<double>::max();
  for (int attempt = 0; attempt < 20; ++attempt) fastest = std::min(fastest, seconds_of([] { (void)work(turns); }));
  MPI_Bcast(&fastest, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
  return turns / fastest;
}

/// Measures on all ranks; what it returns counts on rank 0.
class Measure {
 public:
  Measure(int workers, double turns_per_second) : workers_(workers), turns_per_second_(turns_per_second) {}

  [[nodiscard]] double figure(Farm& farm, const Workload& workload) const {
    std::vector<std::uint32_t> tasks(workload.seconds.size());
    std::ranges::transform(workload.seconds, tasks.begin(), [&](double seconds) {
      return static_cast<std::uint32_t>(std::lround(seconds * turns_per_second_));
    });
    std::vector<std::uint32_t> results;
    MPI_Barrier(MPI_COMM_WORLD);
    const double taken = seconds_of([&] { results = farm.run(tasks); });
    check(tasks, results);
    const double work_seconds = std::reduce(workload.seconds.begin(), workload.seconds.end());
    switch (workload.figure) {
      case Workload::Figure::microseconds_per_task:
        return taken * 1e6 / static_cast<double>(tasks.size());
      case Workload::Figure::efficiency:
        return 100 * work_seconds / (workers_ * taken);
      case Workload::Figure::list_schedule:
        return 100 * list_schedule_seconds(workload.seconds, workers_) / taken;
    }
    std::abort();
  }

  /// Prints the seconds per task at which the farm reaches half and 95 % of what the cores allow, in microseconds.
  void print_granularity(Farm& farm, bool small) const {
    std::vector<double> lengths, efficiencies;
    const double cores = std::max(1U, std::thread::hardware_concurrency());
    const double most = 100 * std::min(1.0, cores / workers_);
    for (const Workload& workload : granularities(workers_, small)) {
      lengths.push_back(workload.seconds.front());
      efficiencies.push_back(100 * figure(farm, workload) / most);
    }
    for (const int percent : {50, 95}) {
      print(farm, ("metg_" + std::to_string(percent)).c_str(), 1e6 * granularity(lengths, efficiencies, percent));
    }
  }

  static void print(const Farm& farm, const char* work_name, double figure) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank != 0) return;
    std::printf("%s|%s|%.6g\n", farm.name().c_str(), work_name, figure);
    std::fflush(stdout);
  }

 private:
  static void check(const std::vector<std::uint32_t>& tasks, const std::vector<std::uint32_t>& results) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank != 0) return;
    if (std::ranges::equal(tasks, results, [](auto task, auto result) { return task + 1 == result; })) return;
    std::fputs("a farm has lost or mixed up results\n", stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
  }

  int workers_;
  double turns_per_second_;
};

std::vector<std::unique_ptr<Farm>> all_farms() {
  std::vector<std::unique_ptr<Farm>> farms;
  farms.push_back(std::make_unique<JoblibMpiFarm>("joblib_mpi", MPI_COMM_WORLD, nullptr));
  farms.push_back(std::make_unique<JoblibMpiFarm>("joblib_mpi, one a message", MPI_COMM_WORLD, "1"));
  farms.push_back(std::make_unique<BareFarm>("bare, one in flight", MPI_COMM_WORLD, 1, 1));
  farms.push_back(std::make_unique<BareFarm>("bare, 8 in flight", MPI_COMM_WORLD, 8, 1));
  farms.push_back(std::make_unique<BareFarm>("bare, 64 a message", MPI_COMM_WORLD, 2, 64));
#ifdef JOBLIB_MPI_WITH_DYNAMPI
  farms.push_back(std::make_unique<DynampiFarm>("DynaMPI", MPI_COMM_WORLD));
#endif
  return farms;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  std::set<std::string, std::less<>> only(argv + std::min(argc, 2), argv + argc);
  const bool small = only.erase("small") > 0;
  const auto is_asked_for = [&](std::string_view name) { return only.empty() || only.contains(name); };
  MPI_Init(&argc, &argv);
  {
    int size = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size < 2) {
      std::fputs("farms need at least two ranks: mpirun -n 2 ...\n", stderr);
      MPI_Abort(MPI_COMM_WORLD, 2);
    }
    const Measure measure(size - 1, turns_per_second());
    const auto farms = all_farms();
    for (int round = 0; round < rounds; ++round) {
      for (const Workload& workload : workloads(size - 1, small)) {
        if (!is_asked_for(workload.name)) continue;
        for (const auto& farm : farms) {
          Measure::print(*farm, workload.name.c_str(), measure.figure(*farm, workload));
        }
      }
      if (!is_asked_for("metg")) continue;
      for (const auto& farm : farms) measure.print_granularity(*farm, small);
    }
  }
  MPI_Finalize();
}
