#include "run/mpi_version.hpp"

#include "mpi_launch/places.hpp"
#include "support/catch.hpp"

using namespace joblib_mpi::launch;
using namespace joblib_mpi::launch::test;

TEST_CASE("an MPI is known by what its mpirun says of itself") {
  CHECK(to_string(mpi_version_from(open_mpi_4)) == "Open MPI 4.1.4");
  CHECK(to_string(mpi_version_from(open_mpi_5)) == "Open MPI 5.0.7");
  CHECK(to_string(mpi_version_from("mpirun.real (OpenRTE) 4.0.5rc1\n")) == "Open MPI 4.0.5rc1");
  CHECK(to_string(mpi_version_from("mpirun (Open MPI) v5.1.0a1\n")) == "Open MPI 5.1.0a1");
  CHECK(to_string(mpi_version_from(mpich)) == "MPICH 4.0.2");
  CHECK(to_string(mpi_version_from(intel_mpi)) == "Intel MPI 2021.9");
  CHECK(to_string(mpi_version_from("PBS mpirun wrapper\nhelp\n")) == "PBS mpirun wrapper");
  CHECK(mpi_version_from(open_mpi_5).major == 5);
}

TEST_CASE("releases of one major version start each other's ranks") {
  CHECK(can_start({"Open MPI", "4.1.6", 4}, {"Open MPI", "4.1.4", 4}));
  CHECK_FALSE(can_start({"Open MPI", "5.0.7", 5}, {"Open MPI", "4.1.4", 4}));
  CHECK_FALSE(can_start({"MPICH", "4.0.2", 4}, {"Open MPI", "4.1.4", 4}));
}
