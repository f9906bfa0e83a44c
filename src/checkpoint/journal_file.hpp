#pragma once

#include "checkpoint/journal_format.hpp"
#include "checkpoint/journal_layout.hpp"
#include "checkpoint/mac.hpp"
#include "files/durable_file.hpp"
#include "files/guarded_folder.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

/// Thrown if a journal file does not carry the MACs of the key that it must have been written with.
class ForgedFileError : public FileError {
 public:
  using FileError::FileError;
};

/// A journal file to read. Even if its bytes were damaged, it returns results as they were written, or none. With a
/// key, it returns only what was written with that key: bytes are authenticated before they are used.
class JournalFile {
 public:
  enum class Condition { usable, damaged, no_journal, other_version, other_identity };

  /// Reads the start of the file. Throws FileError if the file cannot be read at all.
  JournalFile(DurableFile file, const std::string& identity, std::optional<MacKey> key = std::nullopt);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return file_.path(); }
  [[nodiscard]] Condition condition() const noexcept { return condition_; }
  /// Returns the reason why the file cannot be used, worded to follow the file's name.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  /// Returns the rows that are intact and whose results are in the file. Throws ForgedFileError. Only results of rows
  /// that it has returned can be read.
  [[nodiscard]] std::vector<JournalRecord> records();
  /// Returns how many rows the file had when it was written.
  [[nodiscard]] std::uint64_t n_written() const noexcept {
    return condition_ == Condition::usable ? header_.n_records : 0;
  }
  /// Returns the result of a record, or nothing if it is damaged. Throws ForgedFileError.
  [[nodiscard]] std::optional<Payload> read(const JournalRecord& record) const;
  /// Returns the bytes of a record as they are in the file. Throws ForgedFileError, unless the bytes are damaged.
  [[nodiscard]] Bytes read_raw(const JournalRecord& record) const;

 private:
  void examine(const std::string& identity);
  /// Checks the MAC of the file, and keeps those of its records.
  void authenticate(ByteView table);
  void authenticate(const JournalRecord& record, ByteView data) const;
  /// Returns whether the bytes of the record lie in a file of `file_size` bytes.
  [[nodiscard]] bool holds(const JournalRecord& record, std::uint64_t file_size) const;

  DurableFile file_;
  Condition condition_ = Condition::usable;
  std::string reason_;
  JournalHeader header_;
  std::optional<MacKey> key_;
  std::unordered_map<std::uint64_t, Mac> macs_;  // of the records, by offset
};

/// A journal file that is being written under another name; without `commit` nothing is left of it.
class NewJournalFile {
 public:
  /// Creates the file `temporary` in `folder`, which must outlive this object, and gives each record its offset, in
  /// their order. All functions throw FileError.
  NewJournalFile(const GuardedFolder& folder, std::string temporary, std::vector<JournalRecord> records,
                 const std::string& identity, const JournalLayout& layout, std::optional<MacKey> key);
  NewJournalFile(const NewJournalFile&) = delete;
  NewJournalFile& operator=(const NewJournalFile&) = delete;
  ~NewJournalFile();

  /// Appends the bytes of the next record.
  void append(std::span<const ByteView> pieces);
  /// Finishes the file; all data must have been appended. When this returns, the file is on disk under `path`.
  void commit(const std::filesystem::path& path);

 private:
  const GuardedFolder* folder_;
  const std::string name_;
  DurableFile file_;
  std::vector<JournalRecord> records_;
  std::optional<MacKey> key_;
  std::vector<Mac> macs_;  // of the records that were appended; none without a key
  JournalHeader header_;
  std::uint64_t position_;
  bool committed_ = false;
};

}  // namespace joblib_mpi
