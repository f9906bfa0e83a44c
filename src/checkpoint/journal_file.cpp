#include "checkpoint/journal_file.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

namespace joblib_mpi {
namespace {

/// Returns how many bytes of the table of `header` lie in a file of `size` bytes; 0 if the header is impossible.
std::uint64_t table_bytes(const JournalHeader& header, std::uint64_t size) {
  if (header.records_offset > size) return 0;
  const std::uint64_t rows = std::min(header.n_records, (size - header.records_offset) / sizeof(JournalRecord));
  return rows * sizeof(JournalRecord);
}

template <class T>
ByteView bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

/// Returns the MAC of a whole file.
Mac file_mac(const MacKey& key, const JournalHeader& header, ByteView table, std::span<const Mac> macs) {
  return key.mac_of(std::array{bytes_of(header), table, std::as_bytes(macs)});
}

/// Returns the MAC of a record, whose bytes consist of `pieces`.
Mac record_mac(const MacKey& key, const JournalRecord& record, std::span<const ByteView> pieces) {
  std::vector<ByteView> all{bytes_of(record)};
  all.insert(all.end(), pieces.begin(), pieces.end());
  return key.mac_of(all);
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& what) {
  throw ForgedFileError("checkpoint \"" + path.string() + "\" " + what +
                        ". Give this run the key of those who wrote it, in JOBLIB_MPI_KEY or in the file "
                        ".joblib_mpi_key in your home; or, to start over, move the checkpoint away");
}

}  // namespace

JournalFile::JournalFile(DurableFile file, const std::string& identity, std::optional<MacKey> key)
    : file_(std::move(file)), key_(std::move(key)) {
  examine(identity);
}

void JournalFile::examine(const std::string& identity) {
  const Bytes start = file_.read_at(0, sizeof header_);
  if (!start.empty()) std::memcpy(&header_, start.data(), start.size());
  if (!has_magic(header_)) {
    condition_ = Condition::no_journal;
    reason_ = "is not a joblib-mpi checkpoint";
  } else if (header_.format_version != journal_format_version) {
    condition_ = Condition::other_version;
    reason_ = "has format version " + std::to_string(header_.format_version) + ", but this joblib-mpi reads version " +
              std::to_string(journal_format_version);
  } else if (start.size() < sizeof header_ || !is_intact(header_)) {
    condition_ = Condition::damaged;
    reason_ = "is damaged at its start";
  } else if (const std::string other = text_in(header_.identity);
             other != text_in(make_journal_header(identity).identity)) {
    condition_ = Condition::other_identity;
    reason_ = "was written by " + other + ", but this is " + identity;
  }
}

std::vector<JournalRecord> JournalFile::records() {
  std::vector<JournalRecord> records;
  if (condition_ != Condition::usable) return records;
  const std::uint64_t size = file_.size();
  const Bytes table = file_.read_at(header_.records_offset, table_bytes(header_, size));
  if (key_) authenticate(table);
  for (std::size_t at = 0; at + sizeof(JournalRecord) <= table.size(); at += sizeof(JournalRecord)) {
    JournalRecord record;
    std::memcpy(&record, table.data() + at, sizeof record);
    if (!is_intact(record)) continue;
    if (holds(record, size)) records.push_back(record);
  }
  return records;
}

void JournalFile::authenticate(ByteView table) {
  Mac mac{};
  const Bytes stored = file_.read_at(journal_mac_offset, mac.size());
  std::copy(stored.begin(), stored.end(), mac.begin());
  if (mac == Mac{}) refuse(file_.path(), "was written without a key, in a folder that other users may write to");
  const std::size_t rows = table.size() / sizeof(JournalRecord);
  std::vector<Mac> macs(rows);
  const Bytes stored_macs = file_.read_at(header_.file_size, rows * sizeof(Mac));
  std::memcpy(macs.data(), stored_macs.data(), stored_macs.size());
  if (rows != header_.n_records || !is_equal(mac, file_mac(*key_, header_, table, macs))) {
    refuse(file_.path(), "was written with another key, or was changed without the key");
  }
  for (std::size_t row = 0; row < rows; ++row) {
    JournalRecord record;
    std::memcpy(&record, table.data() + row * sizeof record, sizeof record);
    macs_[record.offset] = macs[row];
  }
}

void JournalFile::authenticate(const JournalRecord& record, ByteView data) const {
  if (is_equal(macs_.at(record.offset), record_mac(*key_, record, std::span(&data, 1)))) return;
  if (journal_data_checksum(data) != record.data_checksum) return;  // damage, which the reader of the data finds
  refuse(file_.path(), "has another result of task " + std::to_string(record.place.index) + " (\"" +
                           text_in(record.function) + "\") than was written with the key");
}

bool JournalFile::holds(const JournalRecord& record, std::uint64_t file_size) const {
  if (header_.data_offset > file_size || record.offset > file_size - header_.data_offset) return false;
  return record.size <= file_size - header_.data_offset - record.offset;
}

std::optional<Payload> JournalFile::read(const JournalRecord& record) const {
  std::optional<Payload> payload(std::in_place);
  if (!read_journal_data(record, read_raw(record), *payload)) payload.reset();
  return payload;
}

Bytes JournalFile::read_raw(const JournalRecord& record) const {
  Bytes data = file_.read_at(header_.data_offset + record.offset, record.size);
  if (key_) authenticate(record, data);
  return data;
}

NewJournalFile::NewJournalFile(const GuardedFolder& folder, std::string temporary, std::vector<JournalRecord> records,
                               const std::string& identity, const JournalLayout& layout, std::optional<MacKey> key)
    : folder_(&folder),
      name_(std::move(temporary)),
      file_(folder.create(name_)),
      records_(std::move(records)),
      key_(std::move(key)),
      header_(make_journal_header(identity)) {
  for (JournalRecord& record : records_) {
    record.offset = std::exchange(header_.data_size, header_.data_size + record.size);
    seal(record);
  }
  const JournalStructure structure = layout(records_, header_.data_size, identity);
  header_.records_offset = structure.records_offset;
  header_.n_records = records_.size();
  header_.data_offset = position_ = structure.data_offset;
  const std::uint64_t end = header_.data_offset + header_.data_size;
  header_.file_size = end + structure.after.size();
  try {
    file_.write_at(0, structure.before);
    file_.write_at(end, structure.after);
  } catch (...) {
    folder_->remove(name_);
    throw;
  }
}

NewJournalFile::~NewJournalFile() {
  if (!committed_) folder_->remove(name_);
}

void NewJournalFile::append(std::span<const ByteView> pieces) {
  if (key_) macs_.push_back(record_mac(*key_, records_.at(macs_.size()), pieces));
  for (const ByteView piece : pieces) {
    file_.write_at(position_, piece);
    position_ += piece.size();
  }
}

void NewJournalFile::commit(const std::filesystem::path& path) {
  assert(position_ == header_.data_offset + header_.data_size);
  seal(header_);
  file_.write_at(0, bytes_of(header_));
  if (key_) {
    file_.write_at(header_.file_size, std::as_bytes(std::span(macs_)));
    file_.write_at(journal_mac_offset, file_mac(*key_, header_, std::as_bytes(std::span(records_)), macs_));
  }
  file_.sync();
  folder_->move(name_, path);
  committed_ = true;
  sync_folder(path.parent_path());
}

}  // namespace joblib_mpi
