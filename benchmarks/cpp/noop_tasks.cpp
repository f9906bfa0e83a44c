// Measures the time per task that does nothing, compared with a hand-written task farm of MPI_Send and MPI_Recv.
//
//   mpirun -n 2 build/release/benchmarks/cpp/benchmark_noop_tasks [tasks] [rounds]
//
// Prints for each round the times of the farm with one task in flight per worker (as such farms are usually written)
// and with eight, and of joblib_mpi with one task per message and with as many as fit; then medians as ratios to the
// first.

#include "median.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <ranges>
#include <string>
#include <vector>

namespace jm = joblib_mpi;

namespace {

constexpr int stop = -1;

int next_number(int number) {
  return number + 1;
}

/// Runs the farm's rank 0, which keeps `in_flight` tasks at each worker.
void lead_farm(int tasks, int in_flight, int workers) {
  std::vector<int> results(static_cast<std::size_t>(tasks));
  int sent = 0;
  for (int ahead = 0; ahead < in_flight; ++ahead) {
    for (int worker = 1; worker <= workers && sent < tasks; ++worker) {
      MPI_Send(&sent, 1, MPI_INT, worker, 0, MPI_COMM_WORLD);
      ++sent;
    }
  }
  for (int received = 0; received < tasks; ++received) {
    int result = 0;
    MPI_Status status;
    MPI_Recv(&result, 1, MPI_INT, MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &status);
    results[static_cast<std::size_t>(result - 1)] = result;
    if (sent < tasks) {
      MPI_Send(&sent, 1, MPI_INT, status.MPI_SOURCE, 0, MPI_COMM_WORLD);
      ++sent;
    }
  }
  for (int worker = 1; worker <= workers; ++worker) MPI_Send(&stop, 1, MPI_INT, worker, 0, MPI_COMM_WORLD);
}

void work_in_farm() {
  while (true) {
    int number = 0;
    MPI_Recv(&number, 1, MPI_INT, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (number == stop) return;
    const int result = next_number(number);
    MPI_Send(&result, 1, MPI_INT, 0, 0, MPI_COMM_WORLD);
  }
}

double farm_seconds(const jm::MpiSession& session, int tasks, int in_flight) {
  return seconds_of([&] { session.rank() == 0 ? lead_farm(tasks, in_flight, session.size() - 1) : work_in_farm(); });
}

double library_seconds(jm::MpiSession& session, int tasks) {
  double seconds = 0;
  session.run([&] {
    seconds = seconds_of([&] {
      const std::vector<int> results =
          jm::Parallel()(std::views::iota(0, tasks) |
                         std::views::transform([](int number) { return jm::delayed<next_number>(number); }));
      if (results.back() != tasks) std::abort();
    });
  });
  return seconds;
}

}  // namespace

int main(int argc, char** argv) {
  const int tasks = argc > 1 ? std::atoi(argv[1]) : 200000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 7;
  MPI_Init(&argc, &argv);
  {
    // Each rank reads its settings when its session is made.
    setenv("JOBLIB_MPI_TASKS_PER_MESSAGE", "1", 1);
    jm::MpiSession one_per_message{MPI_COMM_WORLD};
    setenv("JOBLIB_MPI_TASKS_PER_MESSAGE", "16", 1);
    jm::MpiSession batched{MPI_COMM_WORLD};

    std::vector<double> farm_1, farm_8, library_1, library_16;
    for (int round = 0; round <= rounds; ++round) {
      const double microseconds = 1e6 / tasks;
      const double a = farm_seconds(batched, tasks, 1) * microseconds;
      const double b = farm_seconds(batched, tasks, 8) * microseconds;
      const double c = library_seconds(one_per_message, tasks) * microseconds;
      const double d = library_seconds(batched, tasks) * microseconds;
      if (round == 0 || batched.rank() != 0) continue;  // the first round is a warm-up
      std::printf(
          "round %d: farm %.3f µs, farm with 8 in flight %.3f µs, joblib_mpi one per message %.3f µs, batched %.3f "
          "µs\n",
          round, a, b, c, d);
      farm_1.push_back(a);
      farm_8.push_back(b);
      library_1.push_back(c);
      library_16.push_back(d);
    }
    if (batched.rank() == 0) {
      const double base = median(farm_1);
      std::printf("median µs per task: farm %.3f, 8 in flight %.3f, one per message %.3f, batched %.3f\n", base,
                  median(farm_8), median(library_1), median(library_16));
      std::printf("ratio to the farm: 8 in flight %.2f, one per message %.2f, batched %.2f\n", median(farm_8) / base,
                  median(library_1) / base, median(library_16) / base);
    }
  }
  MPI_Finalize();
}
