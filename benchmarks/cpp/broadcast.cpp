// Time to bring one array to all ranks, against MPI_Bcast into memory that is there already, and into fresh memory.
//
//   mpirun -n 4 build/release/benchmarks/cpp/benchmark_broadcast [megabytes] [rounds]

#include "median.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <ranges>
#include <vector>

namespace jm = joblib_mpi;

namespace {

using Array = std::vector<double>;

double last_of(const Array& data, int) {
  return data.back();
}

/// Until every worker has run a task that needs the array.
double scatter_seconds(jm::MpiSession& session, const Array& source) {
  double seconds = 0;
  session.run([&] {
    Array copy = source;  // scatter takes it over
    seconds = seconds_of([&] {
      const auto data = jm::scatter(std::move(copy));
      jm::Parallel()(std::views::iota(1, session.size()) |
                     std::views::transform([&](int worker) { return jm::delayed<last_of>(data, worker); }));
    });
  });
  return seconds;
}

double bcast_seconds(double* memory, std::size_t size) {
  MPI_Barrier(MPI_COMM_WORLD);
  return seconds_of([&] {
    MPI_Bcast(memory, static_cast<int>(size), MPI_DOUBLE, 0, MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const auto size = static_cast<std::size_t>(argc > 1 ? std::atoi(argv[1]) : 256) * 1000000 / sizeof(double);
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  MPI_Init(&argc, &argv);
  {
    jm::MpiSession session{MPI_COMM_WORLD};
    const Array source(size, 1.0);
    Array warm = source;
    std::vector<double> ours, into_warm, into_fresh;
    for (int round = 0; round <= rounds; ++round) {
      const double a = scatter_seconds(session, source);
      const double b = bcast_seconds(warm.data(), size);
      const auto memory = std::make_unique_for_overwrite<double[]>(size);
      const double c = bcast_seconds(memory.get(), size);
      if (round == 0) continue;
      ours.push_back(a);
      into_warm.push_back(b);
      into_fresh.push_back(c);
    }
    if (session.rank() == 0) {
      std::printf("median ms: scatter and one task each %.1f, MPI_Bcast into fresh memory %.1f, into warm %.1f\n",
                  1e3 * median(ours), 1e3 * median(into_fresh), 1e3 * median(into_warm));
      std::printf("ratio to MPI_Bcast into fresh memory: %.2f, into warm: %.2f\n", median(ours) / median(into_fresh),
                  median(ours) / median(into_warm));
    }
  }
  MPI_Finalize();
}
