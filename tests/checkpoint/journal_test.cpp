#include "checkpoint/journal_on_disk.hpp"
#include "support/captured_stderr.hpp"
#include "support/catch.hpp"
#include "support/file_mode.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <hdf5.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

namespace fs = std::filesystem;
using Known = Journal::Known;

fs::path parts_of(const fs::path& path) {
  return path.string() + ".parts";
}

/// Ends the journal as a killed run would: what was flushed stays as parts.
void run_and_stop(const fs::path& path, std::uint64_t first, std::uint64_t end) {
  Journal journal(journal_options(path));
  for (std::uint64_t number = first; number < end; ++number) append(journal, number);
  journal.flush();
}

void check_results(Journal& journal, std::uint64_t first, std::uint64_t end) {
  for (std::uint64_t number = first; number < end; ++number) {
    CAPTURE(number);
    REQUIRE(journal.find({0, number}, key_of(number)) == Known::result);
    const auto result = journal.load({0, number});
    REQUIRE(result);
    CHECK(same(*result, result_of(number)));
  }
}

std::string error_of(const Journal::Options& options) {
  try {
    const Journal journal(options);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "no error";
}

/// A limit on the size of files that this process writes, during the life of the object.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

}  // namespace

TEST_CASE("results of a run that stopped are found by the next one") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  run_and_stop(path, 0, 10);
  run_and_stop(path, 10, 15);
  CHECK_FALSE(fs::exists(path));

  Journal journal(journal_options(path));
  CHECK(journal.n_found() == 15);
  check_results(journal, 0, 15);
  CHECK(journal.find({0, 15}, key_of(15)) == Known::nothing);
  CHECK(journal.find({1, 3}, key_of(3)) == Known::nothing);
  CHECK(journal.find({0, 3}, {.function = 8, .arguments = 1003}) == Known::other_function);
  CHECK(journal.find({0, 3}, {.function = 7, .arguments = 1}) == Known::other_arguments);
  CHECK(journal.function_at({0, 3}) == "compute");
  CHECK(journal.take_warnings().empty());
}

TEST_CASE("a journal that is finished is one file that HDF5 can read") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  run_and_stop(path, 0, 4);
  {
    Journal journal(journal_options(path));
    for (std::uint64_t number = 4; number < 9; ++number) append(journal, number);
    journal.finish();
    CHECK(journal.take_warnings().empty());
  }
  CHECK_FALSE(fs::exists(parts_of(path)));

  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  REQUIRE(file >= 0);
  const hid_t data = H5Dopen2(file, "data", H5P_DEFAULT);
  const hid_t space = H5Dget_space(data);
  std::string stored(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)), ' ');
  CHECK(H5Dread(data, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, stored.data()) >= 0);
  CHECK_THAT(stored, contains("result 0") && contains("result 8"));
  H5Sclose(space);
  H5Dclose(data);
  H5Fclose(file);

  Journal again(journal_options(path));
  CHECK(again.n_found() == 9);
  check_results(again, 0, 9);
}

TEST_CASE("a journal that nothing was added to stays as it is") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  run_and_stop(path, 0, 3);
  Journal(journal_options(path)).finish();
  const std::string before = read_all(path);
  Journal(journal_options(path)).finish();
  CHECK(read_all(path) == before);
}

TEST_CASE("many groups become few files") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  {
    Journal journal(journal_options(path));
    for (std::uint64_t number = 0; number < 150; ++number) {
      append(journal, number);
      journal.flush();
    }
  }
  CHECK(std::distance(fs::directory_iterator(parts_of(path)), {}) < 80);
  Journal journal(journal_options(path));
  check_results(journal, 0, 150);
}

TEST_CASE("a kill anywhere in the merge loses nothing") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  run_and_stop(path, 0, 5);
  const fs::path kept = folder / "kept";
  fs::copy(parts_of(path), kept);
  Journal(journal_options(path)).finish();

  SECTION("after the merged file has its name") {
    fs::copy(kept, parts_of(path));
  }
  SECTION("while parts are removed") {
    run_and_stop(path, 5, 6);
    run_and_stop(path, 6, 7);
    Journal(journal_options(path)).finish();
    fs::create_directory(parts_of(path));
    fs::copy_file(kept / "part-00000001.h5", parts_of(path) / "part-00000002.h5");
  }
  SECTION("while it is written") {
    const std::string merged = read_all(path);
    fs::remove(path);
    fs::copy(kept, parts_of(path));
    write_all(parts_of(path) / "merge.tmp", merged.substr(0, merged.size() / 2));
  }

  Journal journal(journal_options(path));
  check_results(journal, 0, 5);
  CHECK(journal.take_warnings().empty());
  journal.finish();
  CHECK_FALSE(fs::exists(parts_of(path)));
}

TEST_CASE("a file of another program is refused and left alone") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";

  SECTION("another program's checkpoint") {
    run_and_stop(path, 0, 3);
    if (GENERATE(true, false)) Journal(journal_options(path)).finish();
    auto options = journal_options(path);
    options.identity = "another test";
    const std::string error = error_of(options);
    CHECK_THAT(error, contains("was written by a test, but this is another test") && contains("move it away"));
    Journal journal(journal_options(path));
    check_results(journal, 0, 3);
  }
  SECTION("another format version's") {
    run_and_stop(path, 0, 3);
    Journal(journal_options(path)).finish();
    std::string content = read_all(path);
    content[sizeof(JournalHeader::magic)] = 9;
    write_all(path, content);
    CHECK_THAT(error_of(journal_options(path)), contains("has format version 9, but this joblib-mpi reads version 1"));
    CHECK(read_all(path) == content);
  }
  SECTION("what is no checkpoint") {
    const std::string content = GENERATE(as<std::string>(), "", "my thesis", std::string(5000, 'x'));
    write_all(path, content);
    CHECK_THAT(error_of(journal_options(path)),
               contains("run.h5\" is not a joblib-mpi checkpoint; to start over, move it away"));
    CHECK(read_all(path) == content);
    CHECK_FALSE(fs::exists(parts_of(path)));
  }
  SECTION("a folder") {
    fs::create_directory(path);
    CHECK_THAT(error_of(journal_options(path)), contains("is not a regular file"));
  }
}

TEST_CASE("a second run with the same file is refused while the first one lives") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  {
    Journal first(journal_options(path));
    append(first, 0);
    CHECK_THAT(error_of(journal_options(path)),
               contains("is in use by process " + std::to_string(getpid())) && contains("give this run another file"));
    first.finish();
    CHECK(error_of(journal_options(path)) == "no error");
  }
  Journal second(journal_options(path));
  check_results(second, 0, 1);
}

TEST_CASE("a run waits for one that is still ending, and says so") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  int to_child[2];
  int from_child[2];
  REQUIRE(pipe(to_child) == 0);
  REQUIRE(pipe(from_child) == 0);
  const pid_t child = fork();
  if (child == 0) {
    close(to_child[1]);
    auto* const journal = new Journal(journal_options(path));
    append(*journal, 0);
    journal->flush();
    char sign = '!';
    (void)!write(from_child[1], &sign, 1);
    (void)!read(to_child[0], &sign, 1);
    _exit(0);  // as a kill would: the parts stay
  }
  char sign = 0;
  REQUIRE(read(from_child[0], &sign, 1) == 1);
  CHECK_THAT(error_of(journal_options(path)), contains("is in use by process " + std::to_string(child)));
  auto options = journal_options(path);
  options.patience = std::chrono::hours(1);
  std::optional<Journal> journal;
  const std::string said = captured_stderr([&] {
    std::jthread opens([&] { journal.emplace(options); });
    close(to_child[1]);  // lets the child end, before or after the other thread looks
  });
  waitpid(child, nullptr, 0);
  REQUIRE(journal);
  check_results(*journal, 0, 1);
  if (!said.empty()) CHECK_THAT(said, contains("is in use by process " + std::to_string(child) + " on "));
  for (const int end : {to_child[0], from_child[0], from_child[1]}) close(end);
}

TEST_CASE("a run does not wait for itself") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  const Journal first(journal_options(path));
  auto options = journal_options(path);
  options.patience = std::chrono::hours(1);
  CHECK_THAT(error_of(options), contains("is in use by process " + std::to_string(getpid())));
}

TEST_CASE("the folder of an unfinished run keeps other users out, and the merged file is theirs to read only") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  run_and_stop(path, 0, 3);
  CHECK(mode_of(parts_of(path)) == 0700);
  Journal(journal_options(path)).finish();
  CHECK((mode_of(path) & 022U) == 0);
}

TEST_CASE("a link in place of the lock changes nothing that it leads to") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  run_and_stop(path, 0, 3);
  write_all(folder / "precious", "content");
  fs::remove(parts_of(path) / "lock");
  fs::create_symlink(folder / "precious", parts_of(path) / "lock");
  CHECK_THAT(error_of(journal_options(path)), contains("lock\"") && contains("symbolic link"));
  CHECK(read_all(folder / "precious") == "content");
}

TEST_CASE("a journal takes no results from files that others may change, and reads nothing but regular files") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  run_and_stop(path, 0, 3);
  const bool merged = GENERATE(true, false);
  if (merged) Journal(journal_options(path)).finish();
  const fs::path file = merged ? path : parts_of(path) / "part-00000001.h5";
  const std::string content = read_all(file);

  SECTION("a file that others may write to") {
    REQUIRE(chmod(file.c_str(), 0666) == 0);
    const std::string error = error_of(journal_options(path));
    CHECK_THAT(error,
               contains(file.string()) && contains("mode 0666") && contains("JOBLIB_MPI_CHECKPOINT_GUARD=shared"));
  }
  SECTION("another user's file") {
    if (geteuid() != 0) return;  // only root can make one
    REQUIRE(chown(file.c_str(), 65534, 0) == 0);
    CHECK_THAT(error_of(journal_options(path)), contains(file.string()) && contains("another user (id 65534)"));
  }
  SECTION("a pipe") {
    fs::remove(file);
    REQUIRE(mkfifo(file.c_str(), 0600) == 0);
    CHECK_THAT(error_of(journal_options(path)), contains("is not a regular file"));
  }
  SECTION("a link to a checkpoint") {
    fs::rename(file, folder / "other.h5");
    fs::create_symlink(folder / "other.h5", file);
    CHECK_THAT(error_of(journal_options(path)), contains("symbolic link"));
  }
  if (fs::is_regular_file(file)) CHECK(read_all(file) == content);
}

TEST_CASE("a folder for parts that others may write to, or that is theirs or a link, is refused as it is") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  run_and_stop(path, 0, 3);
  const std::string part = read_all(parts_of(path) / "part-00000001.h5");
  SECTION("others may write to it") {
    REQUIRE(chmod(parts_of(path).c_str(), 0770) == 0);
    CHECK_THAT(error_of(journal_options(path)), contains("run.h5.parts\"") && contains("mode 0770"));
  }
  SECTION("it is another user's") {
    if (geteuid() != 0) return;  // only root can make one
    REQUIRE(chown(parts_of(path).c_str(), 65534, 0) == 0);
    CHECK_THAT(error_of(journal_options(path)), contains("run.h5.parts\"") && contains("another user (id 65534)"));
  }
  SECTION("it is a link") {
    fs::rename(parts_of(path), folder / "elsewhere");
    fs::create_directory_symlink(folder / "elsewhere", parts_of(path));
    CHECK_THAT(error_of(journal_options(path)), contains("run.h5.parts\"") && contains("symbolic link"));
  }
  CHECK(read_all(parts_of(path) / "part-00000001.h5") == part);
}

TEST_CASE("a checkpoint in a folder that is missing says so at once") {
  const TemporaryFolder folder;
  CHECK_THAT(error_of(journal_options(folder / "missing/run.h5")), contains("missing/run.h5\" cannot be written") &&
                                                                       contains("No such file or directory") &&
                                                                       contains("a folder that exists"));
}

TEST_CASE("a disk that fills up stops the journal and nothing else") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  run_and_stop(path, 0, 3);
  {
    Journal journal(journal_options(path));
    {
      const FileSizeLimit limit(20000);
      Payload large;
      large.parts.emplace_back(Bytes(100'000));
      journal.append({0, 3}, key_of(3), "compute", large);
      journal.flush();
      append(journal, 4);
      journal.flush();
      journal.finish();
    }
    const auto warnings = journal.take_warnings();
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(warnings[0], contains("run.h5\" is no longer written") && contains("File too large") &&
                                contains("the run goes on without it"));
  }
  Journal journal(journal_options(path));
  check_results(journal, 0, 3);
  CHECK(journal.n_found() == 3);
}

TEST_CASE("results are written by themselves after a while, and at once if they are many") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  auto options = journal_options(path);
  SECTION("after a while") {
    options.flush_after = std::chrono::milliseconds(1);
  }
  SECTION("if they are many") {
    options.group_bytes = 50;
  }
  Journal journal(options);
  for (std::uint64_t number = 0; number < 5; ++number) append(journal, number);
  // The group that no call waits for: without it the test would never find a file.
  while (!fs::exists(parts_of(path) / "part-00000001.h5")) std::this_thread::yield();
}

TEST_CASE("results of all sizes come back, aligned as arrays should be") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  Payload result;
  result.head = bytes("x");
  for (const std::size_t size : {0, 1, 15, 16, 17, 100'000}) {
    result.parts.emplace_back(bytes(std::string(size, 'a')));
  }
  {
    Journal journal(journal_options(path));
    journal.append({0, 0}, key_of(0), "compute", result);
    journal.append({0, 1}, key_of(1), std::string(200, 'n'), Payload{});
    journal.finish();
  }
  Journal journal(journal_options(path));
  const auto read = journal.load({0, 0});
  REQUIRE(read);
  CHECK(same(*read, result));
  for (const SharedBytes& part : read->parts) {
    CHECK(reinterpret_cast<std::uintptr_t>(part.view().data()) % 16 == 0);
  }
  CHECK(same(journal.load({0, 1}).value(), Payload{}));
  CHECK(journal.function_at({0, 1}) == std::string(63, 'n'));
}

TEST_CASE("laying a file out takes no room for its results") {
  const std::uint64_t terabyte = std::uint64_t{1} << 40;
  const JournalStructure structure = lay_out_hdf5_journal(std::vector<JournalRecord>(3), terabyte, "a test");
  CHECK(structure.data_offset == structure.before.size());
  CHECK(structure.records_offset + 3 * sizeof(JournalRecord) <= structure.data_offset);
  CHECK(structure.before.size() + structure.after.size() < 20'000);
}
