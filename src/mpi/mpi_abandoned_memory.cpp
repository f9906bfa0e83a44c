#include "mpi/mpi_abandoned_memory.hpp"

#include <mutex>
#include <utility>
#include <vector>

namespace joblib_mpi {

void abandon_to_mpi(std::shared_ptr<const void> memory) {
  // Never destroyed: MPI_Finalize may be called after the destructors of static objects.
  static std::mutex mutex;
  static auto* const abandoned = new std::vector<std::shared_ptr<const void>>;
  const std::lock_guard lock(mutex);
  abandoned->push_back(std::move(memory));
}

}  // namespace joblib_mpi
