#include "checkpoint/journal_on_disk.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <hdf5.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <sys/stat.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

namespace fs = std::filesystem;

const MacKey our_key(bytes("a secret of this test"));

Journal::Options with_key(const fs::path& path, const MacKey& key = our_key) {
  Journal::Options options = journal_options(path);
  options.guard = Guard::shared;
  options.key = key;
  return options;
}

/// Writes three results, and returns the file that they are in: merged, or the first part of an unfinished run.
fs::path write_results(const Journal::Options& options, bool merged) {
  Journal journal(options);
  for (std::uint64_t number = 0; number < 3; ++number) append(journal, number);
  journal.flush();
  if (merged) journal.finish();
  return merged ? options.path : fs::path(options.path.string() + ".parts") / "part-00000001.h5";
}

/// Reads all three results, as a later run does, and returns the first error, or an empty text.
std::string reading_error(const Journal::Options& options) {
  try {
    Journal journal(options);
    for (std::uint64_t number = 0; number < 3; ++number) {
      CHECK(journal.find({0, number}, key_of(number)) == Journal::Known::result);
      const auto result = journal.load({0, number});
      CHECK((result && same(*result, result_of(number))));
    }
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return {};
}

JournalHeader header_of(const std::string& content) {
  JournalHeader header;
  std::memcpy(&header, content.data(), sizeof header);
  return header;
}

void put_header(std::string& content, JournalHeader header) {
  seal(header);
  std::memcpy(content.data(), &header, sizeof header);
}

JournalRecord record_in(const std::string& content, std::size_t row) {
  JournalRecord record;
  std::memcpy(&record, content.data() + header_of(content).records_offset + row * sizeof record, sizeof record);
  return record;
}

void put_record(std::string& content, std::size_t row, JournalRecord record) {
  seal(record);
  std::memcpy(content.data() + header_of(content).records_offset + row * sizeof record, &record, sizeof record);
}

/// Replaces the result of a row by another one, as a writer without the key can: with correct check sums.
void forge_result(std::string& content, std::size_t row) {
  JournalRecord record = record_in(content, row);
  const std::size_t offset = header_of(content).data_offset + record.offset;
  content[offset + 2 * sizeof(std::uint64_t)] ^= 1;
  const Bytes data = bytes(content.substr(offset, record.size));
  record.data_checksum = journal_data_checksum(data);
  put_record(content, row, record);
}

}  // namespace

TEST_CASE("a shared checkpoint is read by those who have its key, even if others may write to its files") {
  const TemporaryFolder folder;
  const bool merged = GENERATE(true, false);
  const fs::path file = write_results(with_key(folder / "run.h5"), merged);
  REQUIRE(chmod(file.c_str(), 0666) == 0);
  CHECK(reading_error(with_key(folder / "run.h5")).empty());
  CHECK_THAT(reading_error(with_key(folder / "run.h5", MacKey(bytes("the secret of others")))),
             contains(file.string()) && contains("with another key") && contains("JOBLIB_MPI_KEY") &&
                 contains("move the checkpoint away"));
}

TEST_CASE("a checkpoint of a private folder is not taken for a shared one, and the other way round it is") {
  const TemporaryFolder folder;
  const bool merged = GENERATE(true, false);
  const fs::path file = write_results(journal_options(folder / "private.h5"), merged);
  CHECK_THAT(reading_error(with_key(folder / "private.h5")),
             contains(file.string()) && contains("written without a key"));
  write_results(with_key(folder / "shared.h5"), merged);
  if (!merged) REQUIRE(chmod((folder / "shared.h5.parts").c_str(), 0700) == 0);
  CHECK(reading_error(journal_options(folder / "shared.h5")).empty());
}

TEST_CASE("what a writer without the key has changed is an error that names the file") {
  const TemporaryFolder folder;
  const bool merged = GENERATE(true, false);
  const fs::path file = write_results(with_key(folder / "run.h5"), merged);
  std::string content = read_all(file);

  SECTION("a result and its check sums") {
    forge_result(content, 1);
  }
  SECTION("the arguments that a result is for") {
    JournalRecord record = record_in(content, 1);
    record.key.arguments += 1;
    put_record(content, 1, record);
  }
  SECTION("two results exchanged") {
    const JournalRecord first = record_in(content, 0);
    JournalRecord second = record_in(content, 2);
    const JournalPlace place = second.place;
    second = first;
    second.place = place;
    put_record(content, 2, second);
  }
  SECTION("a result left out") {
    JournalHeader header = header_of(content);
    header.n_records -= 1;
    put_header(content, header);
  }
  SECTION("more results than there are") {
    JournalHeader header = header_of(content);
    header.n_records = std::uint64_t{1} << 60;
    put_header(content, header);
  }
  SECTION("a byte of the codes") {
    content.back() ^= 1;
  }
  SECTION("codes cut off") {
    content.resize(content.size() - 1);
  }
  SECTION("no code") {
    std::memset(content.data() + journal_mac_offset, 0, sizeof(Mac));
  }
  write_all(file, content);
  CHECK_THAT(reading_error(with_key(folder / "run.h5")), contains(file.string()) && contains("JOBLIB_MPI_KEY"));
}

TEST_CASE("a result that is changed after the file was opened is an error when it is loaded, and not merged") {
  const TemporaryFolder folder;
  const fs::path file = write_results(with_key(folder / "run.h5"), false);
  {
    Journal journal(with_key(folder / "run.h5"));
    std::string content = read_all(file);
    forge_result(content, 1);
    const JournalRecord forged = record_in(content, 1);
    const JournalHeader header = header_of(content);
    std::string file_now = read_all(file);
    const std::size_t offset = header.data_offset + forged.offset;
    file_now.replace(offset, forged.size, content, offset, forged.size);
    write_all(file, file_now);
    CHECK(journal.load({0, 0}).has_value());
    CHECK_FALSE(journal.load({0, 1}).has_value());  // its check sum tells that it is damaged
    CHECK(journal.take_warnings().size() == 1);
    write_all(file, content);
    journal.finish();
    const auto warnings = journal.take_warnings();
    REQUIRE(warnings.size() == 1);
    CHECK_THAT(warnings[0], contains("could not be merged") && contains(file.string()));
  }
  CHECK_FALSE(fs::exists(folder / "run.h5"));
}

TEST_CASE("a damaged result of a shared checkpoint is computed again, as in others") {
  const TemporaryFolder folder;
  const fs::path file = write_results(with_key(folder / "run.h5"), true);
  std::string content = read_all(file);
  content[header_of(content).data_offset + record_in(content, 1).offset + 2 * sizeof(std::uint64_t)] ^= 1;
  write_all(file, content);
  Journal journal(with_key(folder / "run.h5"));
  CHECK(journal.load({0, 0}).has_value());
  CHECK_FALSE(journal.load({0, 1}).has_value());
  CHECK(journal.load({0, 2}).has_value());
  CHECK(journal.take_warnings().size() == 1);
}

TEST_CASE("HDF5 reads a shared checkpoint") {
  const TemporaryFolder folder;
  const fs::path file = write_results(with_key(folder / "run.h5"), true);
  const hid_t opened = H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  REQUIRE(opened >= 0);
  CHECK(H5Lexists(opened, "records", H5P_DEFAULT) > 0);
  H5Fclose(opened);
}
