#include "files/durable_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

/// The largest number of bytes passed to one system call; Linux limits it.
constexpr std::size_t most_at_once = std::size_t{1} << 30;

}  // namespace

DurableFile::DurableFile(DurableFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

DurableFile& DurableFile::operator=(DurableFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

DurableFile::~DurableFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::uint64_t DurableFile::size() const {
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) fail("cannot be examined");
  return static_cast<std::uint64_t>(status.st_size);
}

void DurableFile::write_at(std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        pwrite(descriptor_, bytes.data(), std::min(bytes.size(), most_at_once), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot be written");
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

Bytes DurableFile::read_at(std::uint64_t offset, std::size_t size) const {
  Bytes bytes(size);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        pread(descriptor_, bytes.data() + done, std::min(size - done, most_at_once), static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot be read");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

void DurableFile::reserve(std::uint64_t bytes) {
  const auto size = static_cast<off_t>(bytes);
  if (bytes == 0) return;
  if (fallocate(descriptor_, 0, 0, size) == 0) return;
  if (errno != EOPNOTSUPP && errno != ENOSYS) fail("cannot be resized");
  if (ftruncate(descriptor_, size) != 0) fail("cannot be resized");
}

void DurableFile::clear() {
  if (ftruncate(descriptor_, 0) != 0) fail("cannot be resized");
}

void DurableFile::close() {
  if (::close(std::exchange(descriptor_, -1)) != 0) fail("cannot be closed");
}

void DurableFile::sync() {
  if (fsync(descriptor_) != 0) fail("cannot be flushed to disk");
}

bool DurableFile::lock() {
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return true;
  return errno != EWOULDBLOCK;  // some file systems do not support locks
}

bool DurableFile::is_at_its_path() const {
  struct stat mine {};
  struct stat there {};
  return fstat(descriptor_, &mine) == 0 && lstat(path_.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

void DurableFile::fail(const std::string& what) const {
  const int error = errno;
  std::string text = "\"" + path_.string() + "\" " + what + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT) {
    std::error_code ignored;
    const auto space = std::filesystem::space(path_.parent_path(), ignored);
    if (!ignored) text += " (" + std::to_string(space.available) + " bytes are free)";
  }
  throw FileError(text);
}

void sync_folder(const std::filesystem::path& folder) {
  DurableFile opened(folder, open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  opened.sync();
}

}  // namespace joblib_mpi
