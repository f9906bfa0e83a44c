// Tests of large results between the ranks of a cluster in one process.

#include "spill/hdf5_result_format.hpp"
#include "spill/result_spiller.hpp"
#include "support/catch.hpp"
#include "support/loopback_cluster.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <filesystem>
#include <iterator>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;
namespace fs = std::filesystem;

namespace {

constexpr int elements = 20'000;

std::vector<double> numbers(int first) {
  std::vector<double> values(elements);
  for (int index = 0; index < elements; ++index) values[static_cast<std::size_t>(index)] = first + index;
  return values;
}

/// The folder in which a task removes the spill folders.
fs::path parent_of_ruins;

/// Removes its spill folder before it returns.
std::vector<double> numbers_without_folder(int first) {
  for (const auto& entry : fs::directory_iterator(parent_of_ruins)) {
    fs::remove_all(entry.path());
  }
  return numbers(first);
}

auto calls(int count) {
  return iota(0, count) | transform([](int first) { return delayed<numbers>(first); });
}

Settings settings_in(const fs::path& folder) {
  Settings settings;
  settings.spill.folder = folder.string();
  settings.spill.threshold_bytes = 1000;
  return settings;
}

std::size_t files_in(const fs::path& folder, const std::string& part_of_name) {
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    count += entry.path().filename().string().find(part_of_name) != std::string::npos ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("results that spill are those that were returned, and leave nothing behind") {
  const TemporaryFolder folder;
  {
    LoopbackCluster cluster(3, settings_in(folder / ""), &result_format());
    const auto results = Parallel()(calls(20));
    for (int first = 0; first < 20; ++first) CHECK(results.at(static_cast<std::size_t>(first)) == numbers(first));
    CHECK(files_in(folder / "", "result-") == 0);
    CHECK(cluster.result_store().held_bytes() == 0);
  }
  CHECK(fs::is_empty(folder / ""));
}

TEST_CASE("results that do not spill are counted while they are held") {
  const TemporaryFolder folder;
  Settings settings = settings_in(folder / "");
  settings.spill.threshold_bytes = 1'000'000'000;
  LoopbackCluster cluster(2, settings, &result_format());
  auto results = Parallel().spilled(calls(3));
  for (const auto& result : results) CHECK_FALSE(result.is_on_disk());
  CHECK(cluster.result_store().held_bytes() == 3 * elements * sizeof(double));
  CHECK(results[2].load() == numbers(2));
  results.clear();
  CHECK(cluster.result_store().held_bytes() == 0);
}

TEST_CASE("a budget that is used up lets results spill under the threshold") {
  const TemporaryFolder folder;
  Settings settings = settings_in(folder / "");
  settings.spill.threshold_bytes = 1'000'000'000;
  const LoopbackCluster cluster(1, settings, &result_format());
  const auto results = Parallel({.pre_dispatch = 1, .memory_budget_bytes = 400'000}).spilled(calls(10));
  std::size_t on_disk = 0;
  for (int first = 0; first < 10; ++first) {
    const auto& result = results.at(static_cast<std::size_t>(first));
    on_disk += result.is_on_disk() ? 1 : 0;
    CHECK(result.get() == numbers(first));
    CHECK_FALSE(result.is_on_disk());
  }
  CHECK(on_disk >= 7);
  CHECK(on_disk < 10);
}

TEST_CASE("results in files stay readable after their call and their session") {
  const TemporaryFolder folder;
  std::vector<Spilled<std::vector<double>>> results;
  {
    const LoopbackCluster cluster(2, settings_in(folder / ""), &result_format());
    results = Parallel().spilled(calls(5));
  }
  CHECK(fs::is_empty(folder / ""));
  for (int first = 0; first < 5; ++first) {
    const auto& result = results.at(static_cast<std::size_t>(first));
    CHECK(result.is_on_disk());
    CHECK(result.load() == numbers(first));
    CHECK(result.is_on_disk());
  }
}

TEST_CASE("compressed results come back, too") {
  const TemporaryFolder folder;
  const LoopbackCluster cluster(2, settings_in(folder / ""), &result_format());
  const auto results = Parallel({.spill_compression = "gzip"})(calls(5));
  for (int first = 0; first < 5; ++first) CHECK(results.at(static_cast<std::size_t>(first)) == numbers(first));
}

TEST_CASE("files that are kept stay with an index for each call") {
  const TemporaryFolder folder;
  {
    const LoopbackCluster cluster(2, settings_in(folder / ""), &result_format());
    const parallel_config config({.keep_spill = true});
    (void)Parallel()(calls(4));
    (void)Parallel({.keep_spill = false})(calls(4));
    (void)Parallel()(calls(3));
  }
  CHECK(files_in(folder / "", "result-") == 7);
  CHECK(files_in(folder / "", "index.h5") == 2);
  CHECK(files_in(folder / "", "lock") == 0);
}

TEST_CASE("there is no folder before a result spills, and one for all that spill") {
  const TemporaryFolder folder;
  const LoopbackCluster cluster(3, settings_in(folder / ""), &result_format());
  CHECK(Parallel({.spill_threshold_bytes = 1'000'000})(calls(10)).size() == 10);
  CHECK(fs::is_empty(folder / ""));
  for (int round = 0; round < 2; ++round) {
    const auto results = Parallel().spilled(calls(10));
    for (const auto& result : results) CHECK(result.is_on_disk());
    CHECK(std::distance(fs::directory_iterator(folder / ""), {}) == 1);
  }
}

TEST_CASE("a folder that cannot be made any more sends results through memory, or is their error") {
  const TemporaryFolder folder;
  const fs::path parent = folder / "parent";
  fs::create_directory(parent);
  parent_of_ruins = folder / "";
  LoopbackCluster cluster(1, settings_in(parent), &result_format());
  const auto ruined = iota(0, 3) | transform([](int first) { return delayed<numbers_without_folder>(first); });
  CHECK(Parallel()(ruined).at(2) == numbers(2));
  fs::create_directory(parent);
  const std::string text = error_text<SpillError>([&] { (void)Parallel({.memory_budget_bytes = 1000})(ruined); });
  CHECK_THAT(text, contains("no folder for large results can be created"));
  CHECK_THAT(text, contains("JOBLIB_MPI_SPILL_DIR"));
  cluster.drain();  // tasks of the call may still remove the folder
  fs::create_directory(parent);
  for (const auto& result : Parallel().spilled(calls(4))) CHECK(result.is_on_disk());
}

TEST_CASE("a folder that is asked for and cannot be used is refused before any task runs") {
  const TemporaryFolder folder;
  const LoopbackCluster cluster(2, settings_in(folder / ""), &result_format());
  const Parallel missing({.spill_dir = (folder / "missing").string()});
  CHECK_THAT(error_text<SpillError>([&] { (void)missing(calls(1)); }), contains("missing"));
  const Parallel odd({.spill_compression = "zap"});
  CHECK_THAT(error_text<UsageError>([&] { (void)odd(calls(1)); }), contains("\"zap\""));
  CHECK(Parallel()(calls(2)).size() == 2);
}

TEST_CASE("a result whose file cannot be written goes through memory if it fits, and is an error otherwise") {
  const TemporaryFolder folder;
  parent_of_ruins = folder / "";
  {
    const LoopbackCluster cluster(1, settings_in(parent_of_ruins), &result_format());
    const auto ruined = iota(0, 3) | transform([](int first) { return delayed<numbers_without_folder>(first); });
    const auto results = Parallel()(ruined);
    CHECK(results.at(2) == numbers(2));
  }
  {
    const LoopbackCluster cluster(1, settings_in(parent_of_ruins), &result_format());
    const auto ruined = iota(0, 3) | transform([](int first) { return delayed<numbers_without_folder>(first); });
    const std::string text = error_text<SpillError>([&] { (void)Parallel({.memory_budget_bytes = 1000})(ruined); });
    CHECK_THAT(text, contains("numbers_without_folder"));
    CHECK_THAT(text, contains("memory_budget"));
    CHECK_THAT(text, contains("160009 bytes"));
  }
}

TEST_CASE("a folder that was deleted is made anew for the next call") {
  const TemporaryFolder folder;
  {
    const LoopbackCluster cluster(2, settings_in(folder / ""), &result_format());
    for (int round = 0; round < 3; ++round) {
      const auto results = Parallel().spilled(calls(4));
      for (int first = 0; first < 4; ++first) {
        CHECK(results.at(static_cast<std::size_t>(first)).is_on_disk());
        CHECK(results.at(static_cast<std::size_t>(first)).get() == numbers(first));
      }
      for (const auto& entry : fs::directory_iterator(folder / "")) fs::remove_all(entry.path());
    }
  }
  CHECK(fs::is_empty(folder / ""));
}

TEST_CASE("a worker that does not see rank 0's folder says where and what to do") {
  const TemporaryFolder folder;
  ResultSpiller spiller(result_format());
  Payload result{Bytes(100), {}};
  const auto place =
      std::make_shared<const SpillPlace>(SpillPlace{(folder / "").string(), (folder / "no-token").string(), "", 3});
  TaskLimits limits;
  limits.spill_over_bytes = 1;
  CHECK(spiller.spill(result, {"fit", {}}, 1.0, {place, CallId{1}, 17}, limits) == TaskEnding::spill_failed);
  const std::string text(reinterpret_cast<const char*>(result.head.data()), result.head.size());
  CHECK_THAT(text, contains("rank 3"));
  CHECK_THAT(text, contains("JOBLIB_MPI_SPILL_DIR"));
  CHECK(fs::is_empty(folder / ""));
}

TEST_CASE("cancelled calls leave no files") {
  const TemporaryFolder folder;
  {
    LoopbackCluster cluster(3, settings_in(folder / ""), &result_format());
    for (int round = 0; round < 5; ++round) {
      auto some = iota(0, 30) | transform([](int first) {
                    if (first == 20) throw std::runtime_error("no more");
                    return delayed<numbers>(first);
                  });
      CHECK_THROWS_AS(Parallel()(some), std::runtime_error);
    }
    cluster.drain();
  }
  CHECK(fs::is_empty(folder / ""));
}
