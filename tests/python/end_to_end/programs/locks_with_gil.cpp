// Stands in for pthread_mutex_lock and counts, on a thread that asks for it, what the compiled module locks with and
// without the GIL. To be preloaded.
#include <cstring>
#include <dlfcn.h>
#include <pthread.h>

namespace {

thread_local bool counts = false;
thread_local int n_locks = 0;
thread_local int n_locks_with_gil = 0;

template <class Function>
Function* find(const char* name, void* where) {
  return reinterpret_cast<Function*>(dlsym(where, name));
}

bool is_in_module(void* address) {
  Dl_info info;
  return dladdr(address, &info) != 0 && std::strstr(info.dli_fname, "joblib_mpi") != nullptr;
}

}  // namespace

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static auto* const lock = find<int(pthread_mutex_t*)>("pthread_mutex_lock", RTLD_NEXT);
  if (counts && is_in_module(__builtin_return_address(0))) {
    static auto* const has_gil = find<int()>("PyGILState_Check", RTLD_DEFAULT);
    ++n_locks;
    if (has_gil() != 0) ++n_locks_with_gil;
  }
  return lock(mutex);
}

void count_locks() {
  n_locks = n_locks_with_gil = 0;
  counts = true;
}

void stop_counting() {
  counts = false;
}
int locks() {
  return n_locks;
}
int locks_with_gil() {
  return n_locks_with_gil;
}
}
