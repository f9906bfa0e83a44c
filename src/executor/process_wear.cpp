#include "executor/process_wear.hpp"

#include "core/open_files.hpp"
#include "executor/process_tree.hpp"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>

namespace joblib_mpi {
namespace {

/// Returns the number of files that a process may have open between tasks: three quarters of what the system allows.
/// Chosen: shared arrays are open files, too.
std::uint64_t most_open_files() {
  return open_file_limit() / 4 * 3;
}

}  // namespace

void ProcessWear::begin() {
  n_tasks_ = 0;
  first_size_.reset();
}

bool ProcessWear::is_worn_after_task(pid_t process, Clock::time_point now) {
  if (++n_tasks_ == limits_.most_tasks) return true;
  if (limits_.most_growth_bytes == 0) return false;
  const std::chrono::duration<double> since = now - looked_at_;
  if (first_size_ && since.count() < limits_.seconds_between_looks) return false;
  looked_at_ = now;
  const Size size = size_of(process);
  if (first_size_) return has_grown(size);
  first_size_ = size;
  return false;
}

bool ProcessWear::has_grown(const Size& size) const {
  return size.bytes > first_size_->bytes + limits_.most_growth_bytes ||
         size.open_files > std::max(first_size_->open_files, most_open_files());
}

ProcessWear::Size ProcessWear::size_of(pid_t process) {
  std::error_code error;
  std::uint64_t open_files = 0;
  std::filesystem::directory_iterator file("/proc/" + std::to_string(process) + "/fd", error);
  for (; !error && file != std::filesystem::directory_iterator(); file.increment(error)) ++open_files;
  return {anonymous_resident_bytes(process), open_files};
}

}  // namespace joblib_mpi
