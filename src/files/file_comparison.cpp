#include "files/file_comparison.hpp"

#include "files/boot_id.hpp"
#include "files/durable_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <random>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace joblib_mpi {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t n_samples = 16;
constexpr std::size_t sample_bytes = 4096;

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// Returns the hash of the first bytes, the last ones, and those at places that `seed` chooses.
ContentHash samples_of(const DurableFile& file, std::uint64_t bytes, std::uint64_t seed) {
  const std::uint64_t last = bytes > sample_bytes ? bytes - sample_bytes : 0;
  std::mt19937_64 random(seed);
  Bytes samples;
  for (std::size_t number = 0; number < n_samples; ++number) {
    const std::uint64_t offset = number == 0 ? 0 : number == 1 ? last : random() % (last + 1);
    const Bytes sample = file.read_at(offset, sample_bytes);
    samples.insert(samples.end(), sample.begin(), sample.end());
  }
  return content_hash(samples);
}

std::string host_reason(const char* what) {
  return std::string(what) + ": " + std::strerror(errno);
}

/// Returns a descriptor of a file that is only compared, or -1. Neither a pipe nor a link can stand in its place.
int open_to_compare(const std::string& path) noexcept {
  return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

bool has_mark(const FileIdentity& identity, std::uint64_t device) {
  if (identity.mark.empty()) return false;
  struct stat mark {};
  const fs::path path = fs::path(identity.path).parent_path() / identity.mark;
  // On another device, the file is a mount in a folder that is shared.
  return lstat(path.c_str(), &mark) == 0 && S_ISREG(mark.st_mode) && mark.st_dev == device;
}

bool may_be_written_by_hosts(int descriptor) {
  struct statfs system {};
  return fstatfs(descriptor, &system) == 0 && has_coherent_mappings(system.f_type);
}

bool has_equal_content(const FileIdentity& identity, const DurableFile& file, const struct stat& here) {
  if (nanoseconds(here.st_mtim) != identity.modified_ns) return false;
  if (nanoseconds(here.st_ctim) != identity.status_changed_ns) return false;
  return samples_of(file, identity.bytes, identity.seed) == identity.samples;
}

}  // namespace

bool has_coherent_mappings(long file_system_type) noexcept {
  constexpr std::array<unsigned long, 4> coherent{
      0x0bd00bd0,  // Lustre
      0x47504653,  // GPFS (Storage Scale)
      0x01161970,  // GFS2
      0x7461636f,  // OCFS2
  };
  return std::ranges::find(coherent, static_cast<unsigned long>(file_system_type)) != coherent.end();
}

FileIdentity identify_file(const std::string& path, FileUse use, const std::string& mark) {
  const int descriptor = open_to_compare(path);
  if (descriptor < 0) throw FileError(path + " " + host_reason("cannot be read"));
  const DurableFile file(path, descriptor);
  struct stat status {};
  if (fstat(file.descriptor(), &status) != 0) throw FileError(path + " " + host_reason("cannot be examined"));
  FileIdentity identity{.path = path, .use = use, .boot_id = boot_id(), .mark = mark};
  identity.device = status.st_dev;
  identity.inode = status.st_ino;
  identity.bytes = static_cast<std::uint64_t>(status.st_size);
  identity.modified_ns = nanoseconds(status.st_mtim);
  identity.status_changed_ns = nanoseconds(status.st_ctim);
  std::random_device random;
  identity.seed = (static_cast<std::uint64_t>(random()) << 32) | random();
  if (use == FileUse::reading) identity.samples = samples_of(file, identity.bytes, identity.seed);
  return identity;
}

std::optional<std::string> why_not_the_file(const FileIdentity& identity) {
  const int descriptor = open_to_compare(identity.path);
  if (descriptor < 0) return host_reason("it cannot be opened there");
  const DurableFile file(identity.path, descriptor);
  struct stat here {};
  if (fstat(file.descriptor(), &here) != 0) return host_reason("it cannot be examined there");
  if (!S_ISREG(here.st_mode)) return "it is no regular file there";
  const bool is_writing = identity.use == FileUse::writing;
  if (is_writing && access(identity.path.c_str(), R_OK | W_OK) != 0) return host_reason("it cannot be written there");
  const bool is_same_kernel = !identity.boot_id.empty() && identity.boot_id == boot_id();
  if (is_same_kernel && here.st_dev == identity.device && here.st_ino == identity.inode) return std::nullopt;
  if (here.st_ino != identity.inode || static_cast<std::uint64_t>(here.st_size) != identity.bytes) {
    return "another file is there";
  }
  if (has_mark(identity, here.st_dev)) {
    if (!is_writing || may_be_written_by_hosts(file.descriptor())) return std::nullopt;
    return "its file system does not let several hosts write to one mapped file: of two that write to one page, one "
           "would undo what the other has written";
  }
  if (!is_writing && has_equal_content(identity, file, here)) return std::nullopt;
  return "nothing shows that the file there is the same one";
}

}  // namespace joblib_mpi
