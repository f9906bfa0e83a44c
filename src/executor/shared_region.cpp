#include "executor/shared_region.hpp"

#include <cerrno>
#include <cstddef>
#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {

namespace {

[[noreturn]] void fail() {
  throw std::system_error(errno, std::generic_category(), "mapping the memory shared with executor processes");
}

void* map(const Descriptor& file) {
  void* memory = mmap(nullptr, sizeof(SharedRegion), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) fail();
  return memory;
}

}  // namespace

SharedRegionFile make_shared_region() {
  Descriptor file(memfd_create("joblib_mpi.executor", MFD_CLOEXEC));
  if (!file.open() || ftruncate(file.get(), sizeof(SharedRegion)) != 0) fail();
  return {SharedRegionPointer(::new (map(file)) SharedRegion), std::move(file)};
}

SharedRegionPointer map_shared_region(const Descriptor& file) {
  struct stat found {};
  if (fstat(file.get(), &found) != 0) fail();
  if (static_cast<std::size_t>(found.st_size) != sizeof(SharedRegion)) {
    throw std::system_error(EINVAL, std::generic_category(), "another version's memory for executor processes");
  }
  return SharedRegionPointer(std::launder(static_cast<SharedRegion*>(map(file))));
}

void hide_from_children(SharedRegion& region) noexcept {
  madvise(&region, sizeof region, MADV_DONTFORK);
}

void UnmapRegion::operator()(SharedRegion* region) const noexcept {
  munmap(region, sizeof *region);
}

}  // namespace joblib_mpi
