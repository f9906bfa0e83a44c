#include "mpi/mpi_check.hpp"

#include "support/catch.hpp"
#include <joblib_mpi/error.hpp>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

TEST_CASE("success of an MPI call passes") {
  CHECK_NOTHROW(check_mpi(MPI_SUCCESS, "MPI_Send"));
}

TEST_CASE("a failed MPI call is named with the words of MPI") {
  MPI_Comm communicator = MPI_COMM_NULL;
  MPI_Comm_dup(MPI_COMM_WORLD, &communicator);
  MPI_Comm_set_errhandler(communicator, MPI_ERRORS_RETURN);
  int size = 0;
  MPI_Comm_size(communicator, &size);
  const int code = MPI_Send(&size, 1, MPI_INT, size + 100, 0, communicator);
  const std::string text = error_text<MpiError>([&] { check_mpi(code, "MPI_Send"); });
  CHECK_THAT(text, contains("MPI_Send failed: "));
  CHECK_THAT(text, contains("rank"));
  MPI_Comm_free(&communicator);
}
