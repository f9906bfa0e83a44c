#include "segments/segment.hpp"

#include <cerrno>
#include <string>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace joblib_mpi {
namespace {

[[noreturn]] void throw_no_memory(std::size_t bytes) {
  throw std::system_error(errno, std::generic_category(),
                          "no " + std::to_string(bytes) + " bytes of memory to share with an executor process");
}

Descriptor make_memory_file(std::size_t bytes) {
  Descriptor file(memfd_create("joblib_mpi", MFD_CLOEXEC));
  if (!file.open() || ftruncate(file.get(), static_cast<off_t>(bytes)) != 0) throw_no_memory(bytes);
  return file;
}

}  // namespace

Mapping::Mapping(const Descriptor& file, std::size_t bytes, Access access) {
  const int protection = access == Access::writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* memory = mmap(nullptr, bytes, protection, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) throw_no_memory(bytes);
  bytes_ = {static_cast<std::byte*>(memory), bytes};
}

Mapping::~Mapping() {
  munmap(bytes_.data(), bytes_.size());
}

Segment::Segment(std::uint64_t id, std::size_t bytes)
    : id_(id), file_(make_memory_file(bytes)), mapping_(file_, bytes, Access::writable) {}

}  // namespace joblib_mpi
