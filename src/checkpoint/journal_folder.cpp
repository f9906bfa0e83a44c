#include "checkpoint/journal_folder.hpp"

#include "checkpoint/checkpoint_errors.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <fcntl.h>
#include <span>
#include <string_view>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

constexpr const char* journal_lock_name = "lock";
constexpr std::size_t most_holder_bytes = 300;
/// Chosen, not measured. The lock is tried again and again, because its holder may run on another host, where neither
/// its end (pidfd) nor what it does with files (inotify) is seen.
constexpr std::chrono::milliseconds pause_between_attempts{50};
constexpr std::uint64_t most_part_number = std::uint64_t{1} << 62;

constexpr std::string_view part_prefix = "part-";
constexpr std::string_view part_suffix = ".h5";

/// Returns the number in the name of a part, or nothing if it is not the name of one.
std::optional<std::uint64_t> number_in(std::string_view name) {
  if (!name.starts_with(part_prefix) || !name.ends_with(part_suffix)) return std::nullopt;
  name.remove_prefix(part_prefix.size());
  name.remove_suffix(part_suffix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool is_number = error == std::errc{} && end == name.data() + name.size() && number < most_part_number;
  return is_number ? std::optional(number) : std::nullopt;
}

bool is_temporary(std::string_view name) {
  return name.ends_with(".tmp");
}

std::string this_process() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return "process " + std::to_string(getpid()) + " on " + host.data();
}

}  // namespace

JournalFolder::JournalFolder(std::filesystem::path path, Guard guard, std::chrono::duration<double> patience)
    : path_(std::move(path)), guard_(guard), folder_(with_checkpoint_errors([this] { return make_folder(); })) {
  with_checkpoint_errors([&] { hold(patience); });
}

GuardedFolder JournalFolder::make_folder() const {
  try {
    return GuardedFolder::make(path_.string() + ".parts", guard_);
  } catch (const UntrustedFileError&) {
    throw;
  } catch (const FileError& problem) {
    throw CheckpointError(name() + "cannot be written, because its folder for unfinished runs cannot be used: " +
                          problem.what() + "; name a file in a folder that exists and can be written on rank 0's node");
  }
}

void JournalFolder::hold(std::chrono::duration<double> patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::string holder = try_to_hold();
  // This process would wait for itself.
  const bool waits = patience.count() > 0 && holder != this_process();
  if (!holder.empty() && waits) {
    std::fprintf(stderr, "joblib_mpi: %sis in use by %s; waiting up to %g s for that to end\n", name().c_str(),
                 holder.c_str(), patience.count());
  }
  while (!holder.empty()) {
    if (!waits || std::chrono::steady_clock::now() > deadline) {
      throw CheckpointError(name() + "is in use by " + holder +
                            "; wait until that ends, or give this run another file");
    }
    std::this_thread::sleep_for(pause_between_attempts);
    holder = try_to_hold();
  }
}

std::string JournalFolder::try_to_hold() {
  do {  // another process may remove the lock file or the folder, on its end, at any moment
    if (!folder_.is_at_its_path()) folder_ = make_folder();
    try {
      lock_ = folder_.open(journal_lock_name, O_RDWR | O_CREAT);
    } catch (const UntrustedFileError&) {
      throw;
    } catch (const FileError& problem) {
      if (!folder_.is_at_its_path()) continue;
      throw CheckpointError(name() + "cannot be written: " + problem.what());
    }
    if (!lock_->lock()) {
      const Bytes holder = lock_->read_at(0, most_holder_bytes);
      return holder.empty() ? "another process"
                            : std::string(reinterpret_cast<const char*>(holder.data()), holder.size());
    }
  } while (!lock_ || !lock_->is_at_its_path());
  const std::string holder = this_process();
  lock_->clear();
  lock_->write_at(0, std::as_bytes(std::span(holder)));
  return {};
}

bool JournalFolder::has_merged_file() const {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path_, ignored));
}

DurableFile JournalFolder::open(const std::filesystem::path& file) const {
  return file == path_ ? open_guarded(file, O_RDONLY, guard_) : folder_.open(file.filename().string(), O_RDONLY);
}

void JournalFolder::find_parts() {
  for (const std::string& name : folder_.names()) {
    const std::optional<std::uint64_t> number = number_in(name);
    if (!number) continue;
    parts_.push_back(folder_.path() / name);
    last_part_ = std::max(last_part_, *number);
  }
  std::sort(parts_.begin(), parts_.end());
}

std::filesystem::path JournalFolder::next_part() {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "part-%08llu.h5", static_cast<unsigned long long>(++last_part_));
  return folder_.path() / name.data();
}

void JournalFolder::add_part(std::filesystem::path part) {
  parts_.push_back(std::move(part));
}

void JournalFolder::remove_part(const std::filesystem::path& part) {
  folder_.remove(part.filename().string());
  std::erase(parts_, part);
}

void JournalFolder::remove_temporaries() const {
  for (const std::string& name : folder_.names()) {
    if (is_temporary(name)) folder_.remove(name);
  }
}

void JournalFolder::release() noexcept {
  folder_.remove(journal_lock_name);
  rmdir(folder_.path().c_str());  // fails if the folder is not empty
  lock_.reset();
}

void JournalFolder::release_if_empty() noexcept {
  if (is_held() && parts_.empty()) release();
}

}  // namespace joblib_mpi
