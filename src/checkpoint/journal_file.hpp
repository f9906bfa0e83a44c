#pragma once

#include "checkpoint/journal_format.hpp"
#include "checkpoint/journal_layout.hpp"
#include "files/durable_file.hpp"
#include "files/guarded_folder.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A journal file to read. Even if its bytes were damaged, it returns results as they were written, or none.
class JournalFile {
 public:
  enum class Condition { usable, damaged, no_journal, other_version, other_identity };

  /// Reads the start of the file. Throws FileError if the file cannot be read at all.
  JournalFile(DurableFile file, const std::string& identity);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return file_.path(); }
  [[nodiscard]] Condition condition() const noexcept { return condition_; }
  /// Returns the reason why the file cannot be used, worded to follow the file's name.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  /// Returns the rows that are intact and whose results are in the file.
  [[nodiscard]] std::vector<JournalRecord> records() const;
  /// Returns how many rows the file had when it was written.
  [[nodiscard]] std::uint64_t n_written() const noexcept {
    return condition_ == Condition::usable ? header_.n_records : 0;
  }
  /// Returns the result of a record, or nothing if it is damaged.
  [[nodiscard]] std::optional<Payload> read(const JournalRecord& record) const;
  /// Returns the bytes of a record as they are in the file.
  [[nodiscard]] Bytes read_raw(const JournalRecord& record) const;

 private:
  void examine(const std::string& identity);
  /// Returns whether the bytes of the record lie in a file of `file_size` bytes.
  [[nodiscard]] bool holds(const JournalRecord& record, std::uint64_t file_size) const;

  DurableFile file_;
  Condition condition_ = Condition::usable;
  std::string reason_;
  JournalHeader header_;
};

/// A journal file that is being written under another name; without `commit` nothing is left of it.
class NewJournalFile {
 public:
  /// Creates the file `temporary` in `folder`, which must outlive this object, and gives each record its offset, in
  /// their order. All functions throw FileError.
  NewJournalFile(const GuardedFolder& folder, std::string temporary, std::vector<JournalRecord> records,
                 const std::string& identity, const JournalLayout& layout);
  NewJournalFile(const NewJournalFile&) = delete;
  NewJournalFile& operator=(const NewJournalFile&) = delete;
  ~NewJournalFile();

  /// Appends the next bytes of the records' data.
  void append(ByteView bytes);
  /// Finishes the file; all data must have been appended. When this returns, the file is on disk under `path`.
  void commit(const std::filesystem::path& path);

 private:
  const GuardedFolder* folder_;
  const std::string name_;
  DurableFile file_;
  JournalHeader header_;
  std::uint64_t position_;
  bool committed_ = false;
};

}  // namespace joblib_mpi
