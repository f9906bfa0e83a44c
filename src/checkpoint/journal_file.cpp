#include "checkpoint/journal_file.hpp"

#include <algorithm>
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

}  // namespace

JournalFile::JournalFile(DurableFile file, const std::string& identity) : file_(std::move(file)) {
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

std::vector<JournalRecord> JournalFile::records() const {
  std::vector<JournalRecord> records;
  if (condition_ != Condition::usable) return records;
  const std::uint64_t size = file_.size();
  const Bytes table = file_.read_at(header_.records_offset, table_bytes(header_, size));
  for (std::size_t at = 0; at + sizeof(JournalRecord) <= table.size(); at += sizeof(JournalRecord)) {
    JournalRecord record;
    std::memcpy(&record, table.data() + at, sizeof record);
    if (!is_intact(record)) continue;
    if (holds(record, size)) records.push_back(record);
  }
  return records;
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
  return file_.read_at(header_.data_offset + record.offset, record.size);
}

NewJournalFile::NewJournalFile(const GuardedFolder& folder, std::string temporary, std::vector<JournalRecord> records,
                               const std::string& identity, const JournalLayout& layout)
    : folder_(&folder),
      name_(std::move(temporary)),
      file_(folder.create(name_)),
      header_(make_journal_header(identity)) {
  for (JournalRecord& record : records) {
    record.offset = std::exchange(header_.data_size, header_.data_size + record.size);
    seal(record);
  }
  const JournalStructure structure = layout(records, header_.data_size, identity);
  header_.records_offset = structure.records_offset;
  header_.n_records = records.size();
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

void NewJournalFile::append(ByteView bytes) {
  file_.write_at(position_, bytes);
  position_ += bytes.size();
}

void NewJournalFile::commit(const std::filesystem::path& path) {
  assert(position_ == header_.data_offset + header_.data_size);
  seal(header_);
  file_.write_at(0, std::as_bytes(std::span(&header_, 1)));
  file_.sync();
  folder_->move(name_, path);
  committed_ = true;
  sync_folder(path.parent_path());
}

}  // namespace joblib_mpi
