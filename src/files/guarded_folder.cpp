#include "files/guarded_folder.hpp"

#include <dirent.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

constexpr mode_t private_folder_mode = 0700;
constexpr mode_t private_file_mode = 0644;  // the folder keeps other users out
constexpr mode_t shared_folder_mode = 0777;
constexpr mode_t shared_file_mode = 0666;

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  const int error = errno;
  const bool is_link = error == ELOOP || (error == ENOTDIR && std::filesystem::is_symlink(path));
  throw FileError("\"" + path.string() + "\" " + what + ": " + (is_link ? "it is a symbolic link" : strerror(error)));
}

std::string octal(mode_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "0%o", mode & 07777U);
  return text;
}

void require_allowed(int descriptor, const std::filesystem::path& path, mode_t kind, Guard guard) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) fail(path, "cannot be examined");
  const std::string name = "\"" + path.string() + "\" ";
  if ((status.st_mode & S_IFMT) != kind) {
    throw FileError(name + (kind == S_IFDIR ? "is not a folder" : "is not a regular file"));
  }
  if (guard == Guard::shared) return;
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    throw UntrustedFileError(name + "belongs to another user (id " + std::to_string(status.st_uid) + ")");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    throw UntrustedFileError(name + "may be changed by other users (mode " + octal(status.st_mode) + ")");
  }
}

/// Opens `name` in the folder with that descriptor; `path` is for errors.
DurableFile open_in(int folder, const char* name, const std::filesystem::path& path, int flags, Guard guard) {
  // O_NONBLOCK has no effect on regular files.
  const int descriptor = openat(folder, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                                guard == Guard::own ? private_file_mode : shared_file_mode);
  if (descriptor < 0) fail(path, "cannot be opened");
  DurableFile file(path, descriptor);
  require_allowed(descriptor, path, S_IFREG, guard);
  return file;
}

}  // namespace

DurableFile open_guarded(const std::filesystem::path& path, int flags, Guard guard) {
  return open_in(AT_FDCWD, path.c_str(), path, flags, guard);
}

GuardedFolder::GuardedFolder(std::filesystem::path path, Guard guard)
    : path_(std::move(path)),
      guard_(guard),
      descriptor_(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) {
  if (descriptor_ < 0) fail(path_, "cannot be opened");
  try {
    require_allowed(descriptor_, path_, S_IFDIR, guard);
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

GuardedFolder GuardedFolder::make(std::filesystem::path path, Guard guard) {
  const mode_t mode = guard == Guard::own ? private_folder_mode : shared_folder_mode;
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) fail(path, "cannot be created");
  return {std::move(path), guard};
}

GuardedFolder::GuardedFolder(GuardedFolder&& other) noexcept
    : path_(std::move(other.path_)), guard_(other.guard_), descriptor_(std::exchange(other.descriptor_, -1)) {}

GuardedFolder& GuardedFolder::operator=(GuardedFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(guard_, other.guard_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

GuardedFolder::~GuardedFolder() {
  if (descriptor_ >= 0) close(descriptor_);
}

DurableFile GuardedFolder::open(const std::string& name, int flags) const {
  return open_in(descriptor_, name.c_str(), path_ / name, flags, guard_);
}

DurableFile GuardedFolder::create(const std::string& name) const {
  remove(name);
  return open(name, O_RDWR | O_CREAT | O_EXCL);
}

bool GuardedFolder::is_at_its_path() const noexcept {
  struct stat mine {};
  struct stat there {};
  return fstat(descriptor_, &mine) == 0 && lstat(path_.c_str(), &there) == 0 && mine.st_ino == there.st_ino &&
         mine.st_dev == there.st_dev;
}

bool GuardedFolder::contains(const std::string& name) const noexcept {
  struct stat status {};
  return fstatat(descriptor_, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

std::vector<std::string> GuardedFolder::names() const {
  const int again = openat(descriptor_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const auto close_folder = [](DIR* folder) { closedir(folder); };
  const std::unique_ptr<DIR, decltype(close_folder)> folder(again < 0 ? nullptr : fdopendir(again), close_folder);
  if (!folder) {
    if (again >= 0) close(again);
    fail(path_, "cannot be read");
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* const entry = readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) fail(path_, "cannot be read");
  return names;
}

void GuardedFolder::remove(const std::string& name) const noexcept {
  unlinkat(descriptor_, name.c_str(), 0);
}

void GuardedFolder::move(const std::string& name, const std::filesystem::path& target) const {
  const bool stays = target.parent_path() == path_;
  const std::string new_name = stays ? target.filename().string() : target.string();
  if (renameat(descriptor_, name.c_str(), stays ? descriptor_ : AT_FDCWD, new_name.c_str()) != 0) {
    fail(target, "cannot be put in place");
  }
}

}  // namespace joblib_mpi
