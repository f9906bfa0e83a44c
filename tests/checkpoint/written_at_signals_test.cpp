#include "checkpoint/written_at_signals.hpp"

#include "checkpoint/interruption.hpp"
#include "checkpoint/journal_on_disk.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

namespace fs = std::filesystem;

std::ptrdiff_t n_parts(const fs::path& path) {
  return std::ranges::count_if(fs::directory_iterator(path.string() + ".parts"),
                               [](const fs::directory_entry& entry) { return entry.path().extension() == ".h5"; });
}

/// Returns whether there are so many parts before the limit of last resort.
bool has_parts(const fs::path& path, std::ptrdiff_t n) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (n_parts(path) < n) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

void check_results(const fs::path& path, std::uint64_t n) {
  Journal journal(journal_options(path));
  CHECK(journal.n_found() == n);
  for (std::uint64_t number = 0; number < n; ++number) {
    REQUIRE(journal.find({0, number}, key_of(number)) == Journal::Known::result);
    CHECK(same(journal.load({0, number}).value(), result_of(number)));
  }
}

/// Runs `function` in a forked process, which ends by SIGALRM if the function does not return.
pid_t in_fork(const std::function<void()>& function) {
  const pid_t child = fork();
  if (child != 0) return child;
  alarm(120);
  function();
  _exit(0);
}

int status_of(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

std::atomic<int> heard = 0;

}  // namespace

TEST_CASE("a run that is killed right after SIGTERM has lost nothing, and neither what came after the signal") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  int to_child[2];
  int from_child[2];
  REQUIRE(pipe(to_child) == 0);
  REQUIRE(pipe(from_child) == 0);
  const pid_t child = in_fork([&] {
    Journal journal(journal_options(path));
    const InterruptionWatch watch(journal, {.grace = std::chrono::hours(1), .exit_status = 75});
    for (std::uint64_t number = 0; number < 3; ++number) append(journal, number);
    char sign = '!';
    (void)!write(from_child[1], &sign, 1);
    (void)!read(to_child[0], &sign, 1);  // a thread of the program that looks at nothing
    append(journal, 3);
    (void)!read(to_child[0], &sign, 1);
  });
  char sign = 0;
  REQUIRE(read(from_child[0], &sign, 1) == 1);
  CHECK(n_parts(path) == 0);
  kill(child, SIGTERM);
  CHECK(has_parts(path, 1));
  CHECK(write(to_child[1], &sign, 1) == 1);
  CHECK(has_parts(path, 2));
  kill(child, SIGKILL);
  status_of(child);
  check_results(path, 4);
  for (const int end : {to_child[0], to_child[1], from_child[0], from_child[1]}) close(end);
}

TEST_CASE("a signal reaches the program's own handler, too, which is there again afterwards") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  const auto previous = std::signal(SIGUSR1, [](int) { ++heard; });
  const auto previous_of_term = std::signal(SIGTERM, SIG_IGN);
  {
    Journal journal(journal_options(path));
    const WrittenAtSignals written(journal);
    append(journal, 0);
    raise(SIGTERM);  // stays ignored
    CHECK(heard == 0);
    raise(SIGUSR1);
    CHECK(heard == 1);
    CHECK(has_parts(path, 1));
  }
  raise(SIGUSR1);
  CHECK(heard == 2);
  std::signal(SIGUSR1, previous);
  CHECK(std::signal(SIGTERM, previous_of_term) == SIG_IGN);
}

TEST_CASE("results that come after a signal do not wait for a compaction") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  auto options = journal_options(path);
  Journal* writing = nullptr;
  std::uint64_t next = 0;
  bool has_compacted = false;
  options.layout = [&](const auto& records, std::uint64_t data_size, const std::string& identity) {
    if (records.size() > 1 && !has_compacted) {
      has_compacted = true;
      writing->write_at_once();  // as a signal in the middle of the compaction does
    }
    return lay_out_hdf5_journal(records, data_size, identity);
  };
  {
    Journal journal(options);
    writing = &journal;
    for (; !has_compacted && next < 1000; ++next) {
      append(journal, next);
      journal.flush();
    }
    REQUIRE(has_compacted);
    CHECK(n_parts(path) == static_cast<std::ptrdiff_t>(next));
    append(journal, next++);
    CHECK(has_parts(path, static_cast<std::ptrdiff_t>(next)));
  }
  check_results(path, next);
}

TEST_CASE("a process that is forked while a journal is open leaves it to its parent") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  {
    auto journal = std::make_unique<Journal>(journal_options(path));
    auto watch = std::make_unique<InterruptionWatch>(
        *journal, InterruptionWatch::Options{.grace = std::chrono::hours(1), .exit_status = 75});
    append(*journal, 0);
    journal->flush();
    CHECK(status_of(in_fork([&] {
            append(*journal, 1);
            journal->write_at_once();
            journal->flush();
            journal->finish();
            watch.reset();
            journal.reset();
          })) == 0);
    const int ended = status_of(in_fork([] { raise(SIGTERM); }));
    CHECK(WIFSIGNALED(ended));
    CHECK(WTERMSIG(ended) == SIGTERM);
    CHECK_FALSE(interruption());
    CHECK(n_parts(path) == 1);
  }
  check_results(path, 1);
}
