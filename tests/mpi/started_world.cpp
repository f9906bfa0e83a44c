// A program that starts and ends an MpiWorld. With the argument "program" it initialises MPI itself.
#include "mpi/mpi_world.hpp"

#include <mpi.h>

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
  const bool by_program = argc > 1 && std::string_view(argv[1]) == "program";
  if (by_program) MPI_Init(&argc, &argv);
  {
    const joblib_mpi::MpiWorld world({.identity = "same"});
    if (world.rank() == 0) std::puts("all ranks have met");
  }
  if (by_program) MPI_Finalize();
}
