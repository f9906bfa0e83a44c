#include "checkpoint/journal_format.hpp"

#include "checkpoint/journal_on_disk.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

Bytes bytes_of(const JournalData& data) {
  Bytes all;
  for (const ByteView piece : data.pieces()) all.insert(all.end(), piece.begin(), piece.end());
  return all;
}

JournalRecord record_of(const Payload& payload) {
  const JournalData data(payload);
  JournalRecord record;
  record.size = data.size();
  record.n_parts = payload.parts.size();
  record.data_checksum = data.checksum();
  return record;
}

/// Writes numbers in place of the sizes of a record's head and parts.
void forge_sizes(Bytes& data, const std::vector<std::uint64_t>& sizes) {
  std::memcpy(data.data(), sizes.data(), sizes.size() * sizeof sizes[0]);
}

/// Gives a record the checksum of `data`, as anybody can compute it.
JournalRecord with_checksum_of(JournalRecord record, const Bytes& data) {
  record.data_checksum = journal_data_checksum(data);
  return record;
}

bool reads(const JournalRecord& record, const Bytes& data) {
  Payload ignored;
  return read_journal_data(record, copy_of(data), ignored);
}

}  // namespace

TEST_CASE("a long head of a record is read back") {
  Payload result = result_of(2);
  result.head = pattern(min_part_bytes, 2);
  const Bytes data = bytes_of(JournalData(result));
  result.share_long_head();
  CHECK(bytes_of(JournalData(result)) == data);
  Payload read;
  REQUIRE(read_journal_data(record_of(result), copy_of(data), read));
  CHECK(is_pattern(read.long_head.view(), min_part_bytes, 2));
  CHECK(read.parts.size() == result.parts.size());
}

TEST_CASE("the data of a record is read back") {
  for (const std::uint64_t number : {0, 1, 2, 3}) {
    const Payload result = result_of(number);
    Payload read;
    REQUIRE(read_journal_data(record_of(result), bytes_of(JournalData(result)), read));
    CHECK(same(read, result));
  }
}

TEST_CASE("sizes in the data that do not fit it are refused although the checksum is right") {
  const Payload result = result_of(1);
  const Bytes whole = bytes_of(JournalData(result));
  const std::uint64_t head = result.head.size();
  const std::uint64_t part = result.parts[0].size();
  CHECK(reads(with_checksum_of(record_of(result), whole), whole));
  const std::vector<std::vector<std::uint64_t>> forged = {{most, part},      {head, most},      {most - 15, part},
                                                          {whole.size(), 0}, {head, part + 64}, {head, part - 64},
                                                          {0, part}};
  for (const std::vector<std::uint64_t>& sizes : forged) {
    CAPTURE(sizes[0], sizes[1]);
    Bytes data = copy_of(whole);
    forge_sizes(data, sizes);
    CHECK_FALSE(reads(with_checksum_of(record_of(result), data), data));
  }
}

TEST_CASE("a number of parts that the data has no room for is refused") {
  const Payload result = result_of(1);
  const Bytes whole = bytes_of(JournalData(result));
  for (const std::uint64_t n_parts : {std::uint64_t{2}, std::uint64_t{1000}, most / 8, most / 8 + 1, most - 1, most}) {
    CAPTURE(n_parts);
    JournalRecord record = with_checksum_of(record_of(result), whole);
    record.n_parts = n_parts;
    CHECK_FALSE(reads(record, whole));
  }
  JournalRecord nothing;
  nothing.data_checksum = journal_data_checksum({});
  CHECK_FALSE(reads(nothing, {}));
}

TEST_CASE("offsets and sizes of rows that do not lie in the file are dropped although the checksums are right") {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "run.h5";
  {
    Journal journal(journal_options(path));
    append(journal, 0);
    journal.finish();
  }
  const std::string whole = read_all(path);
  JournalHeader header;
  std::memcpy(&header, whole.data(), sizeof header);
  const auto forge = GENERATE(as<int>(), 0, 1, 2, 3, 4, 5, 6);
  CAPTURE(forge);
  JournalRecord record;
  std::memcpy(&record, whole.data() + header.records_offset, sizeof record);
  if (forge == 0) header.data_offset = most - 8;  // wraps around to the beginning with the record's offset
  if (forge == 0) record.offset = 16;
  if (forge == 1) record.offset = most - header.data_offset + 1;
  if (forge == 2) record.size = most;
  if (forge == 3) record.n_parts = most;
  if (forge == 4) header.records_offset = most;
  if (forge == 5) header.n_records = most;
  if (forge == 6) header.data_offset = whole.size() + 1;
  seal(record);
  seal(header);
  std::string forged = whole;
  std::memcpy(forged.data(), &header, sizeof header);
  if (forge != 4) std::memcpy(forged.data() + header.records_offset, &record, sizeof record);
  write_all(path, forged);
  Journal journal(journal_options(path));
  const bool is_known = journal.find({0, 0}, key_of(0)) == Journal::Known::result;
  CHECK(is_known == (forge == 3 || forge == 5));
  if (is_known) CHECK(journal.load({0, 0}).has_value() == (forge == 5));
  CHECK_FALSE(journal.take_warnings().empty());
}
