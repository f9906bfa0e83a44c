#include "probe/spill_mark.hpp"

#include "files/guarded_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <span>
#include <sys/statvfs.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace joblib_mpi::launch {
namespace {

namespace fs = std::filesystem;

/// The number of attempts to open the file: a network file system may report for a moment that a new file does not
/// exist.
constexpr int looks = 20;
constexpr std::chrono::milliseconds between_looks{50};

/// Makes a new file with that content, whose name replaces the template `name`. Returns the error; empty if there is
/// none.
std::string make_file(std::string& name, const std::string& content) {
  const int file = mkstemp(name.data());
  if (file < 0) return std::strerror(errno);
  const bool written = write(file, content.data(), content.size()) == static_cast<ssize_t>(content.size());
  const std::string error = written ? "" : std::strerror(errno);
  close(file);
  if (!written) unlink(name.c_str());
  return error;
}

}  // namespace

SpillMark::SpillMark(const fs::path& folder) {
  std::error_code ignored;
  const fs::path absolute = fs::absolute(folder, ignored).lexically_normal();
  file_ = (absolute / "joblib-mpi-doctor-XXXXXX").string();
  content_ = std::to_string(std::random_device{}()) + '-' + std::to_string(std::random_device{}());
  const std::string error = make_file(file_, content_);
  if (!error.empty()) throw SpillError("no file can be made in \"" + absolute.string() + "\": " + error);
}

SpillMark::~SpillMark() {
  unlink(file_.c_str());
}

std::uint64_t SpillMark::free_bytes() const {
  struct statvfs system {};
  return statvfs(file_.c_str(), &system) == 0 ? std::uint64_t{system.f_bavail} * system.f_frsize : 0;
}

std::string look_at_mark(const fs::path& file, const std::string& content) {
  std::error_code ignored;
  for (int look = 1; !fs::exists(file, ignored) && look < looks; ++look) std::this_thread::sleep_for(between_looks);
  if (!fs::exists(file, ignored)) return "the file that rank 0 made there does not exist here";
  try {
    const Bytes found = open_guarded(file, O_RDONLY, Guard::own).read_at(0, content.size() + 1);
    if (!std::ranges::equal(found, std::as_bytes(std::span(content)))) {
      return "the file that rank 0 made there has different content here";
    }
  } catch (const FileError& error) {
    return std::string("the file that rank 0 made there cannot be used here: ") + error.what();
  }
  std::string own = (file.parent_path() / "joblib-mpi-doctor-XXXXXX").string();
  const std::string error = make_file(own, content);
  if (!error.empty()) return "no file can be made there: " + error;
  unlink(own.c_str());
  return {};
}

}  // namespace joblib_mpi::launch
