#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/error.hpp>

#include <algorithm>

namespace joblib_mpi {

int count_n_jobs(int n_jobs, int available) {
  if (n_jobs == 0) throw UsageError("n_jobs == 0 in Parallel has no meaning: give at least 1, or -1 for all");
  return n_jobs > 0 ? n_jobs : std::max(1, available + 1 + n_jobs);
}

}  // namespace joblib_mpi
