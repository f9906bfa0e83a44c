#include "mpi/mpi_start_fence.hpp"

#include <chrono>
#include <cstdlib>
#include <mutex>
#include <thread>

#if __has_include(<pmix.h>)
#include <mpi.h>
#include <pmix.h>

#include <atomic>
#include <cstring>
#include <dlfcn.h>
#include <memory>
#endif

namespace joblib_mpi {
namespace {

#ifdef PMIX_COLLECT_DATA
/// Returns a function of the PMIx library that MPI has loaded and connected; a PMIx that this library linked could be a
/// different one. Returns nullptr if there is none.
template <typename Function>
Function* loaded(const char* name) {
  const auto close = [](void* library) { dlclose(library); };
  const std::unique_ptr<void, decltype(close)> library(dlopen("libpmix.so.2", RTLD_LAZY | RTLD_NOLOAD), close);
  return library ? reinterpret_cast<Function*>(dlsym(library.get(), name)) : nullptr;
}

/// Lets MPI answer the other ranks, which may need that before they reach the fence.
void make_progress() {
  int found = 0;
  MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_SELF, &found, MPI_STATUS_IGNORE);
  std::this_thread::sleep_for(std::chrono::microseconds(100));
}

struct Fence {
  std::atomic<bool> over = false;
  pmix_status_t status = PMIX_ERROR;

  static void end(pmix_status_t status, void* fence) {
    static_cast<Fence*>(fence)->status = status;
    static_cast<Fence*>(fence)->over = true;
  }
};

/// Returns whether all ranks have met. The ranks bring some data along, so that Slurm releases no rank before it has
/// all.
bool fence_with_data() {
  auto* const put = loaded<decltype(PMIx_Put)>("PMIx_Put");
  auto* const commit = loaded<decltype(PMIx_Commit)>("PMIx_Commit");
  auto* const begin_fence = loaded<decltype(PMIx_Fence_nb)>("PMIx_Fence_nb");
  if (put == nullptr || commit == nullptr || begin_fence == nullptr) return false;

  pmix_value_t yes{};
  yes.type = PMIX_BOOL;
  yes.data.flag = true;
  pmix_info_t collect{};
  std::strncpy(collect.key, PMIX_COLLECT_DATA, PMIX_MAX_KEYLEN);
  collect.value = yes;
  if (put(PMIX_GLOBAL, "joblib_mpi.has_left_init", &yes) != PMIX_SUCCESS || commit() != PMIX_SUCCESS) return false;

  Fence fence;
  const pmix_status_t begun = begin_fence(nullptr, 0, &collect, 1, &Fence::end, &fence);
  if (begun == PMIX_OPERATION_SUCCEEDED) return true;
  if (begun != PMIX_SUCCESS) return false;
  while (!fence.over) make_progress();
  return fence.status == PMIX_SUCCESS;
}
#else
bool fence_with_data() {
  return false;
}
#endif

/// Returns whether srun started this process with PMIx.
bool started_by_srun() {
  return std::getenv("SLURM_STEP_ID") != nullptr && std::getenv("PMIX_RANK") != nullptr;
}

}  // namespace

void wait_for_ranks_in_init() {
  // An estimate, for an Open MPI whose built-in PMIx cannot be called from outside: without the fence there is nothing
  // to wait for.
  constexpr std::chrono::milliseconds pause_without_fence{250};
  if (!fence_with_data() && started_by_srun()) std::this_thread::sleep_for(pause_without_fence);
}

void wait_for_ranks_in_program_init() {
  static std::once_flag waited;
  if (started_by_srun()) std::call_once(waited, wait_for_ranks_in_init);
}

}  // namespace joblib_mpi
