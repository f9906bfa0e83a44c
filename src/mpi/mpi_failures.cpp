#include "mpi/mpi_failures.hpp"

#include "mpi/mpi_check.hpp"

#include <numeric>

#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

namespace joblib_mpi {

#if defined(OMPI_HAVE_MPI_EXT_FTMPI) && OMPI_HAVE_MPI_EXT_FTMPI

bool mpi_tells_of_dead_ranks() {
  int* enabled = nullptr;
  int present = 0;
  check_mpi(MPI_Comm_get_attr(MPI_COMM_WORLD, MPIX_FT, &enabled, &present), "MPI_Comm_get_attr");
  return present != 0 && *enabled != 0;
}

bool is_rank_failure(int code) {
  if (code == MPI_SUCCESS) return false;
  int error_class = MPI_SUCCESS;
  MPI_Error_class(code, &error_class);
  return error_class == MPIX_ERR_PROC_FAILED || error_class == MPIX_ERR_PROC_FAILED_PENDING ||
         error_class == MPIX_ERR_REVOKED;
}

std::vector<int> dead_ranks(MPI_Comm communicator) {
  MPI_Group dead = MPI_GROUP_NULL;
  check_mpi(MPIX_Comm_get_failed(communicator, &dead), "MPIX_Comm_get_failed");
  int count = 0;
  check_mpi(MPI_Group_size(dead, &count), "MPI_Group_size");
  std::vector<int> ranks(static_cast<std::size_t>(count));
  if (count > 0) {
    // An acknowledged death no longer makes receives from any source fail. MPIX_Comm_ack_failed does not serve here:
    // Open MPI 5.0.7 lists a death a moment before it stops such receives because of it, and that function does nothing
    // about a death that was acknowledged in this moment.
    check_mpi(MPIX_Comm_failure_ack(communicator), "MPIX_Comm_failure_ack");
    MPI_Group all = MPI_GROUP_NULL;
    check_mpi(MPI_Comm_group(communicator, &all), "MPI_Comm_group");
    std::vector<int> indices(ranks.size());
    std::iota(indices.begin(), indices.end(), 0);
    check_mpi(MPI_Group_translate_ranks(dead, count, indices.data(), all, ranks.data()), "MPI_Group_translate_ranks");
    MPI_Group_free(&all);
  }
  MPI_Group_free(&dead);
  return ranks;
}

void revoke(MPI_Comm communicator) {
  check_mpi(MPIX_Comm_revoke(communicator), "MPIX_Comm_revoke");
}

#else

bool mpi_tells_of_dead_ranks() {
  return false;
}

bool is_rank_failure(int) {
  return false;
}

std::vector<int> dead_ranks(MPI_Comm) {
  return {};
}

void revoke(MPI_Comm) {}

#endif

}  // namespace joblib_mpi
