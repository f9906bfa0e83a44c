// An existing MPI program that lets its ranks run tasks for a while and then continues.
//
//   mpirun -n 4 build/release/examples/cpp/example_inside_an_mpi_program
//
// The ranks simulate heat in a closed ring, each in a part of it. The conductivity of the ring is unknown; a study with
// one task per candidate, each a short simulation, finds it from a measurement. Exits with 1 if the heat is not where
// it should be.

#include <joblib_mpi/joblib_mpi.hpp>

#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <ranges>
#include <vector>

namespace jm = joblib_mpi;

namespace {

constexpr double true_conductivity = 0.37;  // the value that the study must find
constexpr double seconds = 0.1;
constexpr double circumference = 1;

/// Returns the exact height of a sine wave around the ring: the wave keeps its shape while it decays.
double exact_height(double conductivity) {
  const double wave_number = 2 * std::numbers::pi / circumference;
  return std::exp(-conductivity * wave_number * wave_number * seconds);
}

std::vector<double> sine_wave(int first_cell, int cells, int all_cells) {
  std::vector<double> heat(static_cast<std::size_t>(cells));
  for (int i = 0; i < cells; ++i) {
    heat[static_cast<std::size_t>(i)] = std::sin(2 * std::numbers::pi * (first_cell + i + 0.5) / all_cells);
  }
  return heat;
}

/// Makes one explicit time step; `left` and `right` are the values beside the ends.
void step(std::vector<double>& heat, double left, double right, double factor) {
  for (std::size_t i = 0; i < heat.size(); ++i) {
    const double here = heat[i];
    const double next = i + 1 < heat.size() ? heat[i + 1] : right;
    heat[i] += factor * (left - 2 * here + next);
    left = here;
  }
}

int steps_for(int cells, double conductivity) {
  const double cell = circumference / cells;
  return static_cast<int>(std::ceil(seconds * conductivity / (0.25 * cell * cell)));  // stable up to 0.5
}

double factor_for(int cells, double conductivity, int steps) {
  const double cell = circumference / cells;
  return conductivity * seconds / steps / (cell * cell);
}

/// Simulates the whole ring on a coarse grid on one rank; this is the task. Returns the final height of the wave.
double height_after(double conductivity) {
  const int cells = 128;
  std::vector<double> heat = sine_wave(0, cells, cells);
  const int steps = steps_for(cells, conductivity);
  for (int i = 0; i < steps; ++i) step(heat, heat.back(), heat.front(), factor_for(cells, conductivity, steps));
  return std::ranges::max(heat);
}

/// Returns the candidate whose simulation comes closest to the measurement. Called on rank 0 only.
double find_conductivity(double measured_height) {
  const auto candidates =
      std::views::iota(1, 101) | std::views::transform([](int hundredths) { return hundredths / 100.0; });
  const std::vector<double> heights = jm::Parallel()(
      candidates | std::views::transform([](double candidate) { return jm::delayed<height_after>(candidate); }));
  const auto best = std::ranges::min_element(
      heights, {}, [measured_height](double height) { return std::abs(height - measured_height); });
  return candidates[best - heights.begin()];
}

/// Simulates the ring on a fine grid, each rank its part. Collective; returns the final height of the wave on all
/// ranks.
double simulate_together(MPI_Comm communicator, double conductivity) {
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(communicator, &rank);
  MPI_Comm_size(communicator, &size);
  const int left_rank = (rank + size - 1) % size;
  const int right_rank = (rank + 1) % size;
  const int cells = 32;
  std::vector<double> heat = sine_wave(rank * cells, cells, size * cells);
  const int steps = steps_for(size * cells, conductivity);
  for (int i = 0; i < steps; ++i) {
    double left = 0;
    double right = 0;
    MPI_Sendrecv(&heat.back(), 1, MPI_DOUBLE, right_rank, 0, &left, 1, MPI_DOUBLE, left_rank, 0, communicator,
                 MPI_STATUS_IGNORE);
    MPI_Sendrecv(&heat.front(), 1, MPI_DOUBLE, left_rank, 1, &right, 1, MPI_DOUBLE, right_rank, 1, communicator,
                 MPI_STATUS_IGNORE);
    step(heat, left, right, factor_for(size * cells, conductivity, steps));
  }
  double height = std::ranges::max(heat);
  MPI_Allreduce(MPI_IN_PLACE, &height, 1, MPI_DOUBLE, MPI_MAX, communicator);
  return height;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const double measured_height = exact_height(true_conductivity);

  double conductivity = 0;
  {
    // The session gets a duplicate, so that its messages cannot match the program's. It must end before MPI_Finalize.
    jm::MpiSession session{MPI_COMM_WORLD};
    session.run([&] { conductivity = find_conductivity(measured_height); });
  }
  MPI_Bcast(&conductivity, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);  // `run` called the function on rank 0 only

  const double height = simulate_together(MPI_COMM_WORLD, conductivity);
  const bool good =
      std::abs(conductivity - true_conductivity) < 0.005 && std::abs(height - measured_height) < 0.01 * measured_height;
  if (rank == 0) {
    std::printf("the study found conductivity %.2f; wave height %.5f, measured %.5f: %s\n", conductivity, height,
                measured_height, good ? "good" : "WRONG");
  }
  MPI_Finalize();
  return good ? 0 : 1;
}
