#include "segments/segment.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <pthread.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace joblib_mpi {
namespace {

[[noreturn]] void throw_no_memory(std::size_t bytes) {
  throw std::system_error(errno, std::generic_category(),
                          "cannot get " + std::to_string(bytes) + " bytes of memory to share with another process");
}

/// The segments of this process that it may write to, which are private in processes that it forks.
class WritableSegments {
 public:
  WritableSegments() { pthread_atfork(lock, unlock, make_private_in_child); }

  void add(const Segment& segment) {
    const std::lock_guard guard(mutex_);
    segments_.push_back(&segment);
  }
  void remove(const Segment& segment) noexcept {
    const std::lock_guard guard(mutex_);
    std::erase(segments_, &segment);
  }

 private:
  static void lock();
  static void unlock();
  static void make_private_in_child();

  std::mutex mutex_;
  std::vector<const Segment*> segments_;
};

/// Never destroyed: segments may live longer than static objects.
WritableSegments& writable_segments() {
  static auto& segments = *new WritableSegments;
  return segments;
}

void WritableSegments::lock() {
  writable_segments().mutex_.lock();
}

void WritableSegments::unlock() {
  writable_segments().mutex_.unlock();
}

void WritableSegments::make_private_in_child() {
  for (const Segment* segment : writable_segments().segments_) {
    const std::span<std::byte> bytes = segment->bytes();
    mmap(bytes.data(), bytes.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
         segment->descriptor(), 0);
  }
  unlock();
}

}  // namespace

Mapping::Mapping(const Descriptor& file, std::size_t bytes, Access access) {
  // To touch a page behind the end of a file kills the process.
  struct stat status {};
  if (fstat(file.get(), &status) != 0) throw_no_memory(bytes);
  if (static_cast<std::uint64_t>(status.st_size) < bytes) {
    throw std::system_error(
        EINVAL, std::generic_category(),
        "shared memory has " + std::to_string(status.st_size) + " bytes instead of " + std::to_string(bytes));
  }
  const int protection = access == Access::writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* memory = mmap(nullptr, bytes, protection, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) throw_no_memory(bytes);
  bytes_ = {static_cast<std::byte*>(memory), bytes};
}

Mapping::~Mapping() {
  munmap(bytes_.data(), bytes_.size());
}

Descriptor make_memory_file(std::size_t bytes) {
  Descriptor file(memfd_create("joblib_mpi", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.open() || ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 ||
      fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    throw_no_memory(bytes);
  }
  return file;
}

bool is_of_lasting_size(const Descriptor& file) noexcept {
  const int seals = fcntl(file.get(), F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

Segment::Segment(std::uint64_t id, Descriptor file, std::size_t bytes, Access access)
    : id_(id), file_(std::move(file)), mapping_(file_, bytes, access), access_(access) {
  if (access_ == Access::writable) writable_segments().add(*this);
}

Segment::~Segment() {
  if (access_ == Access::writable) writable_segments().remove(*this);
}

void Segment::write(std::size_t offset, ByteView content) const {
  while (!content.empty()) {
    const ssize_t written = pwrite(file_.get(), content.data(), content.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;  // sealed
    offset += static_cast<std::size_t>(written);
    content = content.subspan(static_cast<std::size_t>(written));
  }
  if (!content.empty()) std::memcpy(bytes().data() + offset, content.data(), content.size());
}

void Segment::seal() const noexcept {
  fcntl(file_.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
}

SharedBytes copy_on_write(const Segment& segment, std::size_t offset, std::size_t bytes) {
  return copy_on_write(segment.file(), offset, bytes);
}

SharedBytes copy_on_write(const Descriptor& file, std::size_t offset, std::size_t bytes) {
  const std::size_t in_page = offset % static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t length = in_page + bytes;
  void* memory = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.get(),
                      static_cast<off_t>(offset - in_page));
  if (memory == MAP_FAILED) throw_no_memory(bytes);
  const std::shared_ptr<const void> owner(memory, [length](void* done) { munmap(done, length); });
  return {owner, {static_cast<const std::byte*>(memory) + in_page, bytes}};
}

}  // namespace joblib_mpi
