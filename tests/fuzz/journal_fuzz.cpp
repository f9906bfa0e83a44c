// Checkpoint files. If the first byte is odd, all checksums are made right, which anybody can do, so that what lies
// behind them is reached.

#include "checkpoint/journal_file.hpp"
#include "files/durable_file.hpp"
#include "fuzz/fuzz_target.hpp"
#include "segments/descriptor.hpp"
#include "support/bytes.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <sys/mman.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

DurableFile memory_file(ByteView content) {
  DurableFile file("a file in memory", memfd_create("journal", MFD_CLOEXEC));
  file.write_at(0, content);
  return file;
}

/// Puts the right checksums into rows whose data lies in the file, and into the header.
void seal_all(Bytes& content) {
  JournalHeader header;
  if (content.size() < sizeof header) return;
  std::memcpy(&header, content.data(), sizeof header);
  const JournalHeader right = make_journal_header("fuzz");
  header.magic = right.magic;
  header.identity = right.identity;
  header.format_version = right.format_version;
  seal(header);
  std::memcpy(content.data(), &header, sizeof header);
  std::uint64_t at = header.records_offset;
  for (std::uint64_t row = 0; row < std::min<std::uint64_t>(header.n_records, 100);
       ++row, at += sizeof(JournalRecord)) {
    JournalRecord record;
    if (at > content.size() || content.size() - at < sizeof record) return;
    std::memcpy(&record, content.data() + at, sizeof record);
    const std::uint64_t begin = header.data_offset + record.offset;
    if (begin <= content.size() && record.size <= content.size() - begin) {
      record.data_checksum = journal_data_checksum(ByteView(content).subspan(begin, record.size));
    }
    seal(record);
    std::memcpy(content.data() + at, &record, sizeof record);
  }
}

/// Lays out a file without HDF5: the user block, the table, the data.
JournalStructure plain_layout(const std::vector<JournalRecord>& records, std::uint64_t, const std::string&) {
  JournalStructure structure;
  structure.records_offset = journal_user_block_bytes;
  structure.data_offset = structure.records_offset + records.size() * sizeof(JournalRecord);
  structure.before.resize(structure.data_offset);
  std::fill(structure.before.begin(), structure.before.end(), std::byte{0});
  std::ranges::copy(std::as_bytes(std::span(records)),
                    structure.before.begin() + static_cast<std::ptrdiff_t>(structure.records_offset));
  return structure;
}

Payload result_with(std::size_t parts) {
  Payload result;
  result.head = bytes("the head of a result");
  for (std::size_t part = 0; part < parts; ++part) result.parts.emplace_back(bytes(std::string(20 + part, 'p')));
  return result;
}

Bytes seed(std::byte first) {
  const Payload results[] = {result_with(0), result_with(1), result_with(3)};
  std::vector<JournalRecord> records;
  std::uint64_t data_bytes = 0;
  for (const Payload& result : results) {
    const JournalData data(result);
    JournalRecord record;
    record.place.index = records.size();
    record.offset = data_bytes;
    record.size = data.size();
    record.n_parts = result.parts.size();
    record.data_checksum = data.checksum();
    seal(record);
    records.push_back(record);
    data_bytes += record.size;
  }
  JournalStructure structure = plain_layout(records, data_bytes, "");
  JournalHeader header = make_journal_header("fuzz");
  header.records_offset = structure.records_offset;
  header.n_records = records.size();
  header.data_offset = structure.data_offset;
  header.data_size = data_bytes;
  seal(header);
  std::memcpy(structure.before.data(), &header, sizeof header);
  Bytes input{first};
  input.insert(input.end(), structure.before.begin(), structure.before.end());
  for (const Payload& result : results) {
    const JournalData data(result);
    for (const ByteView piece : data.pieces()) input.insert(input.end(), piece.begin(), piece.end());
  }
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ProcessorTimeLimit limit;
  if (size < 1) return 0;
  Bytes content = copy_of(std::as_bytes(std::span(data, size)).subspan(1));
  if (data[0] % 2 == 1) seal_all(content);
  JournalFile file(memory_file(content), "fuzz");
  for (const JournalRecord& record : file.records()) {
    if (const auto result = file.read(record)) touch(*result);
    touch(file.read_raw(record));
    (void)text_in(record.function);
  }
  return 0;
}

std::vector<Bytes> joblib_mpi::test::fuzz_seeds() {
  return {seed(std::byte{0}), seed(std::byte{1})};
}
