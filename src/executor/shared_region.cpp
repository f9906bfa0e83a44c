#include "executor/shared_region.hpp"

#include <cerrno>
#include <new>
#include <sys/mman.h>
#include <system_error>

namespace joblib_mpi {

SharedRegionPointer make_shared_region() {
  void* memory = mmap(nullptr, sizeof(SharedRegion), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "mapping the memory shared with executor processes");
  }
  return SharedRegionPointer(::new (memory) SharedRegion);
}

void hide_from_children(SharedRegion& region) noexcept {
  madvise(&region, sizeof region, MADV_DONTFORK);
}

void UnmapRegion::operator()(SharedRegion* region) const noexcept {
  munmap(region, sizeof *region);
}

}  // namespace joblib_mpi
