// A world that begins and ends.
#include "mpi/mpi_world.hpp"

#include <cstdio>

int main() {
  const joblib_mpi::MpiWorld world({.identity = "same"});
  if (world.rank() == 0) std::puts("all ranks have met");
}
