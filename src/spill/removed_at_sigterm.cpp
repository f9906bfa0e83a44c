#include "spill/removed_at_sigterm.hpp"

#include <dirent.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

// The handler reads only these variables. If there are more folders than fit, the others are not removed here.
std::array<std::atomic<const char*>, 64> folders{};
std::atomic<pid_t> entries_owner{0};
static_assert(std::atomic<const char*>::is_always_lock_free && std::atomic<pid_t>::is_always_lock_free);

/// Removes the content of an open folder with functions that a signal handler may call, so without readdir and without
/// allocating memory. Returns whether anything was removed.
bool remove_names_in(int folder) {
  alignas(dirent64) std::array<char, 4096> names;
  bool removed = false;
  while (true) {
    const ssize_t size = getdents64(folder, names.data(), names.size());
    if (size <= 0) return removed;
    for (std::size_t place = 0; place < static_cast<std::size_t>(size);) {
      const auto* const entry = reinterpret_cast<const dirent64*>(names.data() + place);
      place += entry->d_reclen;
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (unlinkat(folder, entry->d_name, 0) == 0) {
        removed = true;
        continue;
      }
      const int inner = openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (inner < 0) continue;
      while (remove_names_in(inner)) lseek(inner, 0, SEEK_SET);
      close(inner);
      removed = unlinkat(folder, entry->d_name, AT_REMOVEDIR) == 0 || removed;
    }
  }
}

void remove_folder(const char* path) {
  const int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0) return;
  if (faccessat(folder, "keep", F_OK, 0) != 0) {
    // Removing entries may make the scan skip others, so it is repeated.
    while (remove_names_in(folder)) lseek(folder, 0, SEEK_SET);
    rmdir(path);
  }
  close(folder);
}

void remove_and_end(int number) {
  if (entries_owner == getpid()) {
    for (const auto& folder : folders) {
      if (const char* const path = folder) remove_folder(path);
    }
  }
  std::signal(number, SIG_DFL);
  raise(number);
}

void replace_action(void (*from)(int), void (*to)(int)) {
  struct sigaction now {};
  sigaction(SIGTERM, nullptr, &now);
  if ((now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == from) std::signal(SIGTERM, to);
}

}  // namespace

RemovedAtSigterm::RemovedAtSigterm(std::string folder) : folder_(std::move(folder)) {
  if (entries_owner.exchange(getpid()) !=
      getpid()) {  // the entries belong to the process from which this one was forked
    for (auto& other : folders) other = nullptr;
  }
  for (auto& free : folders) {
    const char* none = nullptr;
    if (free.compare_exchange_strong(none, folder_.c_str())) break;
  }
  replace_action(SIG_DFL, remove_and_end);
}

RemovedAtSigterm::~RemovedAtSigterm() {
  if (entries_owner != getpid()) return;
  bool are_others = false;
  for (auto& entry : folders) {
    const char* mine = folder_.c_str();
    are_others = (!entry.compare_exchange_strong(mine, nullptr) && mine != nullptr) || are_others;
  }
  if (!are_others) replace_action(remove_and_end, SIG_DFL);
}

}  // namespace joblib_mpi
