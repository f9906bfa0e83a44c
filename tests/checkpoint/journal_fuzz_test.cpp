// Tests with files that were truncated or changed: what remains is used or refused, and no result is ever wrong.

#include "checkpoint/journal_on_disk.hpp"
#include "support/catch.hpp"
#include "support/rounds.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <random>
#include <string>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t n_results = 12;

/// Returns how many results a journal still yields, after checking that they are right; nothing if it refuses the file.
std::optional<std::uint64_t> count_right_results(const fs::path& path) {
  try {
    Journal journal(journal_options(path));
    std::uint64_t right = 0;
    for (std::uint64_t number = 0; number < n_results; ++number) {
      if (journal.find({0, number}, key_of(number)) != Journal::Known::result) continue;
      const auto result = journal.load({0, number});
      if (!result) continue;
      REQUIRE(same(*result, result_of(number)));
      ++right;
    }
    if (right < n_results) REQUIRE_FALSE(journal.take_warnings().empty());
    return right;
  } catch (const CheckpointError& error) {
    REQUIRE_FALSE(std::string(error.what()).empty());
    return std::nullopt;
  }
}

struct Counts {
  int complete = 0;
  int partial = 0;
  int refused = 0;
};

void count(Counts& counts, std::optional<std::uint64_t> right) {
  ++(!right ? counts.refused : *right == n_results ? counts.complete : counts.partial);
}

/// Makes one file at `path`, or one part of it.
fs::path write_journal(const fs::path& path, bool merged) {
  Journal journal(journal_options(path));
  for (std::uint64_t number = 0; number < n_results; ++number) append(journal, number);
  if (!merged) {
    journal.flush();
    return path.string() + ".parts/part-00000001.h5";
  }
  journal.finish();
  return path;
}

}  // namespace

TEST_CASE("a journal file that was cut anywhere gives what is left of it or is refused") {
  const bool merged = GENERATE(true, false);
  CAPTURE(merged);
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  const fs::path file = write_journal(path, merged);
  const std::string whole = read_all(file);
  Counts counts;
  for (std::size_t size = 0; size <= whole.size(); size += size < 1100 || size + 300 > whole.size() ? 13 : 97) {
    CAPTURE(size);
    write_all(file, whole.substr(0, size));
    count(counts, count_right_results(path));
  }
  CHECK(counts.partial > 10);
  CHECK((counts.refused > 0) == merged);  // a part is dropped with a warning
}

TEST_CASE("a journal file with changed bytes gives what is intact or is refused") {
  const bool merged = GENERATE(true, false);
  CAPTURE(merged);
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  const fs::path file = write_journal(path, merged);
  const std::string whole = read_all(file);
  std::mt19937 random(20240517);
  Counts counts;
  for (unsigned round = 0; round < 1500 * rounds(); ++round) {
    CAPTURE(round);
    std::string changed = whole;
    const unsigned n_changes = 1 + round % 3;
    for (unsigned change = 0; change < n_changes; ++change) {
      // Half of the changes hit the place where the file says what it is.
      const std::size_t end =
          round % 2 == 0 ? std::min<std::size_t>(sizeof(JournalHeader), whole.size()) : whole.size();
      char& byte = changed[random() % end];
      byte = static_cast<char>(byte ^ (1U << random() % 8));
    }
    write_all(file, changed);
    count(counts, count_right_results(path));
  }
  CHECK(counts.complete > 0);  // changes in data of HDF5 that a journal does not need
  CHECK(counts.partial > 100);
  CHECK(counts.refused > 10);
}

TEST_CASE("what is damaged is computed again and mended by the next merge") {
  const TemporaryFolder folder;
  const fs::path path = folder / "run.h5";
  const fs::path file = write_journal(path, true);
  std::string content = read_all(file);
  content[content.rfind("result 5")] = 'R';
  write_all(file, content);
  CHECK(count_right_results(path) == n_results - 1);
  {
    Journal journal(journal_options(path));
    append(journal, 5);
    journal.finish();
    CHECK(journal.take_warnings().empty());
  }
  CHECK(count_right_results(path) == n_results);
}
