#include "segments/segment_source.hpp"

#include "segments/segment.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <linux/magic.h>
#include <optional>
#include <sys/statfs.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

/// Memory that is left to the processes of the node for other uses. Chosen, not measured.
constexpr std::uint64_t kept_free_bytes = std::uint64_t{64} << 20;

std::string temporary_folder() {
  const char* folder = std::getenv("TMPDIR");
  return folder != nullptr && *folder != '\0' ? folder : "/tmp";
}

/// Makes a file in the folder that has no name (any more).
Descriptor make_nameless_file(const std::string& folder) {
  Descriptor file(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.open()) return file;
  std::string name = folder + "/joblib_mpi.XXXXXX";  // the file system has no O_TMPFILE
  file = Descriptor(mkostemp(name.data(), O_CLOEXEC));
  if (file.open()) unlink(name.c_str());
  return file;
}

/// Makes a file with all its blocks allocated. If that fails, returns no descriptor and sets `reason`.
Descriptor make_disk_file(const std::string& folder, std::size_t bytes, std::string& reason) {
  struct statfs system {};
  if (statfs(folder.c_str(), &system) != 0) {
    reason = folder + ": " + std::generic_category().message(errno);
    return {};
  }
  if (system.f_type == TMPFS_MAGIC) {
    reason = folder + " lies in memory, too (tmpfs)";
    return {};
  }
  Descriptor file = make_nameless_file(folder);
  const int error = file.open() ? posix_fallocate(file.get(), 0, static_cast<off_t>(bytes)) : errno;
  if (error == 0) return file;
  reason = folder + " has " + std::to_string(system.f_bavail * static_cast<std::uint64_t>(system.f_bsize)) +
           " bytes free (" + std::generic_category().message(error) + ")";
  return {};
}

}  // namespace

Descriptor SegmentSource::open(std::size_t bytes) const {
  const MemoryRoom free = room();
  std::string reasons = free.limit + " has " + std::to_string(free.bytes) + " bytes left";
  if (free.bytes >= kept_free_bytes && free.bytes - kept_free_bytes >= bytes) {
    try {
      return make_memory_file(bytes);
    } catch (const std::system_error& error) {
      reasons = error.what();
    }
  }
  if (uses_files) {
    std::string reason;
    Descriptor file = make_disk_file(folder.empty() ? temporary_folder() : folder, bytes, reason);
    if (file.open()) return file;
    reasons += ", and " + reason;
  }
  throw NoRoomError("the node has no room for " + std::to_string(bytes) + " bytes of shared data: " + reasons +
                    (uses_files
                         ? "; free some, or set TMPDIR to a folder on a disk with more room"
                         : "; free some, or set JOBLIB_MPI_SHARED_FALLBACK=file to use a file in TMPDIR instead"));
}

}  // namespace joblib_mpi
