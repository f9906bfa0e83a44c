#include "mpi/start_fence.hpp"

#include <chrono>
#include <cstdlib>
#include <dlfcn.h>
#include <memory>
#include <thread>

#if __has_include(<pmix.h>)
#include <pmix.h>

#include <cstring>
#endif

namespace joblib_mpi {
namespace {

#ifdef PMIX_COLLECT_DATA
/// A function of the PMIx that MPI has loaded and connected: one that we linked could be another.
template <typename Function>
Function* loaded(const char* name) {
  const auto close = [](void* library) { dlclose(library); };
  const std::unique_ptr<void, decltype(close)> library(dlopen("libpmix.so.2", RTLD_LAZY | RTLD_NOLOAD), close);
  return library ? reinterpret_cast<Function*>(dlsym(library.get(), name)) : nullptr;
}

/// Whether all ranks have met. They bring some data along, and Slurm must not let go of anyone before it has all.
bool fence_with_data() {
  auto* const put = loaded<decltype(PMIx_Put)>("PMIx_Put");
  auto* const commit = loaded<decltype(PMIx_Commit)>("PMIx_Commit");
  auto* const fence = loaded<decltype(PMIx_Fence)>("PMIx_Fence");
  if (put == nullptr || commit == nullptr || fence == nullptr) return false;
  pmix_value_t yes{};
  yes.type = PMIX_BOOL;
  yes.data.flag = true;
  pmix_info_t collect{};
  std::strncpy(collect.key, PMIX_COLLECT_DATA, PMIX_MAX_KEYLEN);
  collect.value = yes;
  return put(PMIX_GLOBAL, "joblib_mpi.has_left_init", &yes) == PMIX_SUCCESS && commit() == PMIX_SUCCESS &&
         fence(nullptr, 0, &collect, 1) == PMIX_SUCCESS;
}
#else
bool fence_with_data() {
  return false;
}
#endif

bool started_by_srun() {
  return std::getenv("SLURM_STEP_ID") != nullptr && std::getenv("PMIX_RANK") != nullptr;
}

}  // namespace

void wait_for_ranks_in_init() {
  // A guess where there is nothing to wait for: an Open MPI with a PMIx inside that nobody else can call.
  constexpr std::chrono::milliseconds pause_without_fence{250};
  if (!fence_with_data() && started_by_srun()) std::this_thread::sleep_for(pause_without_fence);
}

}  // namespace joblib_mpi
