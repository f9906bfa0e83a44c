#include "spill/spill_folder.hpp"

#include "spill/result_store.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <linux/magic.h>
#include <optional>
#include <set>
#include <string>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
namespace fs = std::filesystem;

namespace {

void make_file(const fs::path& path) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << "content";
}

/// Runs `work` in a fork of this process, which then dies as by kill -9, and waits for the processes that the fork has
/// started: the reapers of its folders.
void die_after(const std::function<void()>& work) {
  REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  const pid_t child = fork();
  if (child == 0) {
    work();
    raise(SIGKILL);
  }
  int ended = 0;
  while (waitpid(-1, nullptr, 0) > 0) ++ended;
  CHECK(ended == 2);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

/// The default action of SIGTERM during the life of the object; Catch2 installs a handler.
class DefaultSigterm {
 public:
  DefaultSigterm() {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGTERM, &action, &previous_);
  }
  DefaultSigterm(const DefaultSigterm&) = delete;
  DefaultSigterm& operator=(const DefaultSigterm&) = delete;
  ~DefaultSigterm() { sigaction(SIGTERM, &previous_, nullptr); }

 private:
  struct sigaction previous_ {};
};

}  // namespace

TEST_CASE("a spill folder is the job's own and goes with all that is in it") {
  const TemporaryFolder parent;
  {
    const SpillFolder one(parent / "");
    const SpillFolder other(parent / "");
    CHECK(one.path() != other.path());
    CHECK_THAT(one.path().filename().string(), contains("joblib-mpi-"));
    CHECK(fs::exists(one.token()));
    make_file(one.path() / "call-1" / "result.h5");
  }
  CHECK(fs::is_empty(parent / ""));
}

TEST_CASE("a folder that is kept stays with what was written, and goes if that is nothing") {
  const TemporaryFolder parent;
  fs::path path;
  {
    SpillFolder folder(parent / "");
    folder.keep();
    path = folder.path();
    make_file(path / "call-1" / "result.h5");
    SpillFolder empty(parent / "");
    empty.keep();
  }
  CHECK(fs::exists(path / "call-1" / "result.h5"));
  CHECK_FALSE(fs::exists(path / "keep"));
  CHECK_FALSE(fs::exists(path / "lock"));
  remove_stale_spill_folders(parent / "");
  CHECK(std::distance(fs::directory_iterator(parent / ""), {}) == 1);
}

TEST_CASE("a fork of the process that made a folder does not remove it") {
  const TemporaryFolder parent;
  std::optional<SpillFolder> folder(std::in_place, parent / "");
  const pid_t child = fork();
  if (child == 0) {
    folder.reset();
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  CHECK(fs::exists(folder->token()));
}

TEST_CASE("forks that live on do not hold the end of a folder up") {
  const TemporaryFolder parent;
  std::optional<SpillFolder> folder(std::in_place, parent / "");
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  folder.reset();
  CHECK(fs::is_empty(parent / ""));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_CASE("the folder of a process that was killed is removed, with files that come late") {
  const TemporaryFolder parent;
  die_after([&] {
    auto* folder = new SpillFolder(parent / "");
    make_file(folder->path() / "call-1" / "result.h5");
  });
  CHECK(fs::is_empty(parent / ""));
}

TEST_CASE("a process that SIGTERM ends has removed its folders before") {
  const DefaultSigterm as_in_programs;
  const TemporaryFolder parent;
  const TemporaryFolder kept;
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const SpillFolder one(parent / "");
    const SpillFolder other(parent / "");
    SpillFolder third(kept / "");
    third.keep();
    for (int number = 0; number < 300; ++number) {  // more than the kernel lists in one call
      make_file(one.path() / "call-1" / ("result-" + std::to_string(number) + "-of-a-long-name.h5"));
    }
    (void)!write(ready[1], "!", 1);
    while (true) pause();
  }
  char sign = 0;
  REQUIRE(read(ready[0], &sign, 1) == 1);
  kill(child, SIGTERM);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(fs::is_empty(parent / ""));
  CHECK_FALSE(fs::is_empty(kept / ""));
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
  close(ready[0]);
  close(ready[1]);
}

TEST_CASE("SIGTERM to a fork does not remove the folder of the process that made it") {
  const DefaultSigterm as_in_programs;
  const TemporaryFolder parent;
  std::optional<SpillFolder> folder(std::in_place, parent / "");
  const pid_t child = fork();
  if (child == 0) {
    raise(SIGTERM);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM));
  CHECK(fs::exists(folder->token()));
  folder.reset();
  struct sigaction now {};
  sigaction(SIGTERM, nullptr, &now);
  CHECK(now.sa_handler == SIG_DFL);
}

TEST_CASE("the folder of a process that was killed stays if it is to be kept") {
  const TemporaryFolder parent;
  die_after([&] {
    auto* folder = new SpillFolder(parent / "");
    folder->keep();
    make_file(folder->path() / "call-1" / "result.h5");
  });
  CHECK_FALSE(fs::is_empty(parent / ""));
  const SpillFolder next(parent / "");
  CHECK(std::distance(fs::directory_iterator(parent / ""), {}) == 2);
}

TEST_CASE("the next job removes what a job and its reaper have left, and nothing else") {
  const TemporaryFolder parent;
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::ofstream((fs::create_directory(parent / "joblib-mpi-1-stale"), parent / "joblib-mpi-1-stale" / "lock")) << boot;
  make_file(parent / "joblib-mpi-2-no-lock" / "file");
  make_file(parent / "joblib-mpi-3-other" / "lock");  // belongs to another machine
  make_file(parent / "other-1" / "lock");
  const SpillFolder living(parent / "");
  const SpillFolder next(parent / "");
  CHECK_FALSE(fs::exists(parent / "joblib-mpi-1-stale"));
  CHECK(fs::exists(parent / "joblib-mpi-2-no-lock"));
  CHECK(fs::exists(parent / "joblib-mpi-3-other"));
  CHECK(fs::exists(parent / "other-1"));
  CHECK(fs::exists(living.token()));
}

TEST_CASE("what others have put beside it neither holds a job up nor is removed by it") {
  const TemporaryFolder parent;
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  const auto make_folder = [&](const std::string& name) {
    fs::create_directory(parent / name);
    return parent / name / "lock";
  };
  REQUIRE(mkfifo(make_folder("joblib-mpi-pipe").c_str(), 0666) == 0);
  fs::create_symlink("/dev/zero", make_folder("joblib-mpi-endless"));
  std::ofstream(parent / "a-lock") << boot;
  fs::create_symlink(parent / "a-lock", make_folder("joblib-mpi-link"));
  std::ofstream(make_folder("joblib-mpi-writable")) << boot;
  REQUIRE(chmod((parent / "joblib-mpi-writable").c_str(), 0777) == 0);
  fs::create_directory(make_folder("joblib-mpi-folder"));
  fs::create_symlink(parent / "joblib-mpi-loop", parent / "joblib-mpi-loop");
  std::ofstream(make_folder("other")) << boot;
  fs::create_directory_symlink(parent / "other", parent / "joblib-mpi-other");
  if (geteuid() == 0) {
    std::ofstream(make_folder("joblib-mpi-theirs")) << boot;
    REQUIRE(chown((parent / "joblib-mpi-theirs").c_str(), 65534, 0) == 0);
  }
  std::ofstream(make_folder("joblib-mpi-stale")) << boot;
  std::set<std::string> before;
  for (const auto& entry : fs::directory_iterator(parent / "")) before.insert(entry.path().filename().string());
  remove_stale_spill_folders(parent / "");
  before.erase("joblib-mpi-stale");
  std::set<std::string> after;
  for (const auto& entry : fs::directory_iterator(parent / "")) after.insert(entry.path().filename().string());
  CHECK(after == before);
  CHECK(fs::exists(parent / "other" / "lock"));
}

TEST_CASE("a folder that cannot be made is an error that names it and what to do") {
  const TemporaryFolder parent;
  make_file(parent / "file");
  for (const fs::path& path : {parent / "missing", parent / "file", fs::path("/proc")}) {
    const std::string text = error_text<SpillError>([&] { const SpillFolder folder(path); });
    CHECK_THAT(text, contains(path.string()));
    CHECK_THAT(text, contains("JOBLIB_MPI_SPILL_DIR"));
  }
}

TEST_CASE("by default results of one node go to a folder for temporary files on disk, not to the working directory") {
  const auto is_on_disk = [](const char* folder) {
    struct statfs system {};
    return statfs(folder, &system) == 0 && system.f_type != TMPFS_MAGIC && access(folder, W_OK | X_OK) == 0;
  };
  const std::string otherwise = is_on_disk("/tmp") ? "/tmp" : is_on_disk("/var/tmp") ? "/var/tmp" : ".";
  const char* const set = std::getenv("TMPDIR");
  const std::optional<std::string> before = set == nullptr ? std::nullopt : std::optional<std::string>(set);
  const TemporaryFolder folder;
  const std::string own = folder / "";
  setenv("TMPDIR", own.c_str(), 1);
  CHECK(default_spill_folder(true) == (is_on_disk(own.c_str()) ? own : otherwise));
  CHECK(default_spill_folder(false) == ".");
  for (const char* const useless : {"", "/dev/shm", "/no/such/folder"}) {
    setenv("TMPDIR", useless, 1);
    CHECK(default_spill_folder(true) == otherwise);
  }
  unsetenv("TMPDIR");
  CHECK(default_spill_folder(true) == otherwise);
  if (before) setenv("TMPDIR", before->c_str(), 1);
}
