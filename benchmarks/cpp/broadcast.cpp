// Measures the time until every rank can read an array of rank 0: with `scatter` into memory that is new to the node
// and into memory that an earlier object has freed, compared with memcpy into new and into warm shared memory, and with
// MPI_Bcast into private memory of each rank.
//
//   mpirun -n 4 build/release/benchmarks/cpp/benchmark_broadcast [megabytes] [rounds]

#include "median.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <ranges>
#include <span>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace jm = joblib_mpi;

namespace {

using Array = std::vector<double>;

double last_of(std::span<const double> data, int) {
  return data.back();
}

/// Measures the time until every worker has run a task that sees the array.
double scatter_seconds(int ranks, const Array& source) {
  Array copy = source;  // scatter takes ownership of it
  double seconds = 0;
  {
    const auto begin = std::chrono::steady_clock::now();
    const auto data = jm::scatter(std::move(copy));
    jm::Parallel()(std::views::iota(1, ranks) |
                   std::views::transform([&](int worker) { return jm::delayed<last_of>(data, worker); }));
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  return seconds;
}

/// Runs the rounds in a separate session, which keeps that many bytes of freed memory.
std::vector<double> scatter_rounds(const char* spare_bytes, const Array& source, int rounds) {
  setenv("JOBLIB_MPI_SPARE_BYTES", spare_bytes, 1);
  std::vector<double> seconds;
  jm::MpiSession session{MPI_COMM_WORLD};
  session.run([&] {
    for (int round = 0; round <= rounds; ++round) {
      const double time = scatter_seconds(session.size(), source);
      // After this, every rank has freed the object.
      jm::Parallel()(std::views::iota(0, 4 * session.size()) |
                     std::views::transform([&](int i) { return jm::delayed<[](int) { usleep(2000); }>(i); }));
      if (round > 0) seconds.push_back(time);
    }
  });
  return seconds;
}

/// Fills new shared memory.
double new_memcpy_seconds(const Array& source) {
  const std::size_t bytes = source.size() * sizeof(double);
  const int file = memfd_create("benchmark", 0);
  if (ftruncate(file, static_cast<off_t>(bytes)) != 0) std::abort();
  const double seconds = seconds_of([&] {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    std::memcpy(memory, source.data(), bytes);
    munmap(memory, bytes);
  });
  close(file);
  return seconds;
}

double bcast_seconds(double* memory, std::size_t size) {
  MPI_Barrier(MPI_COMM_WORLD);
  return seconds_of([&] {
    MPI_Bcast(memory, static_cast<int>(size), MPI_DOUBLE, 0, MPI_COMM_WORLD);
    MPI_Barrier(MPI_COMM_WORLD);
  });
}

void print(const char* what, double ours, double other) {
  std::printf("%-45s %7.1f ms: scatter takes %.2f times that\n", what, 1e3 * other, ours / other);
}

}  // namespace

int main(int argc, char** argv) {
  const auto size = static_cast<std::size_t>(argc > 1 ? std::atoi(argv[1]) : 256) * 1000000 / sizeof(double);
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  MPI_Init(&argc, &argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  {
    const Array source(size, 1.0);
    Array warm = source;
    const std::vector<double> first = scatter_rounds("0", source, rounds);
    const std::vector<double> again = scatter_rounds("1000000000", source, rounds);
    std::vector<double> new_copy, warm_copy, bcast_new, bcast_warm;
    for (int round = 0; round < rounds; ++round) {
      if (rank == 0) {
        new_copy.push_back(new_memcpy_seconds(source));
        warm_copy.push_back(seconds_of([&] { std::memcpy(warm.data(), source.data(), size * sizeof(double)); }));
      }
      bcast_warm.push_back(bcast_seconds(warm.data(), size));
      const auto memory = std::make_unique_for_overwrite<double[]>(size);
      bcast_new.push_back(bcast_seconds(memory.get(), size));
    }
    if (rank == 0) {
      std::printf("scatter into new memory: %.1f ms\n", 1e3 * median(first));
      print("memcpy into new shared memory", median(first), median(new_copy));
      print("MPI_Bcast into new memory of each rank", median(first), median(bcast_new));
      std::printf("scatter into memory of an object before: %.1f ms\n", 1e3 * median(again));
      print("memcpy into warm memory", median(again), median(warm_copy));
      print("MPI_Bcast into warm memory of each rank", median(again), median(bcast_warm));
    }
  }
  MPI_Finalize();
}
