#include "probe/spill_mark.hpp"

#include <joblib_mpi/error.hpp>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
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
constexpr std::chrono::milliseconds look_pause{50};

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
  std::ifstream stream(file);
  for (int look = 1; !stream.is_open() && look < looks; ++look) {
    std::this_thread::sleep_for(look_pause);
    stream.clear();
    stream.open(file);
  }
  if (!stream.is_open()) return "the file that rank 0 made there does not exist here";
  std::string found;
  std::getline(stream, found);
  if (found != content) return "the file that rank 0 made there has different content here";
  std::string own = (file.parent_path() / "joblib-mpi-doctor-XXXXXX").string();
  const std::string error = make_file(own, content);
  if (!error.empty()) return "no file can be made there: " + error;
  unlink(own.c_str());
  return {};
}

}  // namespace joblib_mpi::launch
