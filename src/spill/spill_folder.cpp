#include "spill/spill_folder.hpp"

#include "files/boot_id.hpp"
#include <joblib_mpi/error.hpp>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <string_view>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>

namespace joblib_mpi {
namespace {

namespace fs = std::filesystem;

constexpr const char* folder_prefix = "joblib-mpi-";
constexpr const char* lock_name = "lock";
constexpr std::size_t most_boot_id_bytes = 64;

std::string job_name() {
  for (const char* name : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"}) {
    const char* const value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string job = value;
    for (char& letter : job) {
      if (std::strchr("/ \t\n", letter) != nullptr) letter = '_';
    }
    return job;
  }
  return std::to_string(getpid());
}

bool is_stale(const fs::path& path, const std::string& boot) {
  try {
    const GuardedFolder folder(path, Guard::own);
    if (boot.empty() || folder.contains("keep")) return false;
    const DurableFile lock = folder.open(lock_name, O_RDWR);
    const Bytes content = lock.read_at(0, most_boot_id_bytes);
    std::string_view made_at(reinterpret_cast<const char*>(content.data()), content.size());
    made_at = made_at.substr(0, made_at.find('\n'));
    return made_at == boot && flock(lock.descriptor(), LOCK_EX | LOCK_NB) == 0;
  } catch (const FileError&) {  // it belongs to another user, or is no folder of ours
    return false;
  }
}

[[noreturn]] void refuse_folder(const fs::path& parent, const std::string& reason) {
  throw SpillError("no folder for large results can be created in \"" + parent.string() + "\": " + reason +
                   "; set spill_dir (JOBLIB_MPI_SPILL_DIR) to a folder that exists, that this job may write to, and "
                   "that all its nodes share");
}

}  // namespace

void require_permission_to_spill(const fs::path& parent) {
  // The dot makes a file that is no folder an error.
  if (access((parent / ".").c_str(), W_OK | X_OK) != 0) refuse_folder(parent, std::generic_category().message(errno));
}

void require_spilling_to_work(const fs::path& parent) {
  require_permission_to_spill(parent);
  std::string trial = (parent / (std::string(folder_prefix) + "trial-XXXXXX")).string();
  if (mkdtemp(trial.data()) == nullptr) refuse_folder(parent, std::generic_category().message(errno));
  rmdir(trial.c_str());
}

void remove_stale_spill_folders(const fs::path& parent) noexcept {
  try {
    const std::string boot = boot_id();  // locks held on other machines may not be visible here
    for (const fs::directory_entry& entry : fs::directory_iterator(parent)) {
      if (!entry.path().filename().string().starts_with(folder_prefix)) continue;
      std::error_code ignored;
      if (is_stale(entry.path(), boot)) fs::remove_all(entry.path(), ignored);
    }
  } catch (const std::exception&) {  // folders that cannot be read or removed stay
  }
}

SpillFolder::SpillFolder(const fs::path& parent) : owner_(getpid()) {
  remove_stale_spill_folders(parent);
  std::error_code error;
  const fs::path absolute = fs::absolute(parent, error);
  std::string name = ((error ? parent : absolute) / (folder_prefix + job_name() + "-XXXXXX")).string();
  try {
    if (mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category());
    path_ = name;
    folder_.emplace(path_, Guard::own);
    lock_ = folder_->create(lock_name);
    const bool locked = lock_->lock();
    const std::string boot = locked ? boot_id() + "\n" : "";
    lock_->write_at(0, std::as_bytes(std::span(boot)));
    reaper_.emplace(path_);
    sigterm_.emplace(path_.string());
  } catch (const std::exception& failure) {
    if (!path_.empty()) fs::remove_all(path_, error);
    refuse_folder(parent, failure.what());
  }
}

void SpillFolder::keep() {
  if (kept_) return;
  (void)folder_->create("keep");
  kept_ = true;
}

SpillFolder::~SpillFolder() {
  if (getpid() != owner_) return;  // in a fork of rank 0
  std::error_code ignored;
  if (kept_) {
    sigterm_.reset();
    fs::remove(token(), ignored);
    reaper_.reset();  // finds the file "keep", so it removes nothing
    fs::remove(path_ / "keep", ignored);
    fs::remove(path_, ignored);  // fails if the folder is not empty
  } else {
    fs::remove_all(path_, ignored);
    reaper_.reset();
  }
}

}  // namespace joblib_mpi
