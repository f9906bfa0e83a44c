// Spills results, prints "spilled" and the name of the folder, and then either ends and keeps the files, or sleeps
// until it is killed: spilling_program FOLDER keep|sleep

#include <joblib_mpi/joblib_mpi.hpp>
#include <joblib_mpi/mpi_session.hpp>

#include <chrono>
#include <cstdio>
#include <ranges>
#include <string>
#include <thread>
#include <vector>

namespace {

std::vector<double> row(int task, bool sleeps) {
  if (sleeps && task >= 8) std::this_thread::sleep_for(std::chrono::minutes(10));
  std::vector<double> values(100'000);
  for (std::size_t index = 0; index < values.size(); ++index) {
    values[index] = task * 1000.0 + static_cast<double>(index);
  }
  return values;
}

}  // namespace

int main(int argc, char** argv) {
  joblib_mpi::MpiSession session(argc, argv);
  return session.run([&] {
    const bool sleeps = std::string(argv[2]) == "sleep";
    const joblib_mpi::Parallel parallel({.spill_threshold_bytes = 1000, .spill_dir = argv[1], .keep_spill = !sleeps});
    if (sleeps) std::puts("spilling");
    std::fflush(stdout);
    (void)parallel(std::views::iota(0, 16) |
                   std::views::transform([&](int task) { return joblib_mpi::delayed<row>(task, sleeps); }));
    return 0;
  });
}
