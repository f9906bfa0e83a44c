#pragma once

#include "checkpoint/journal_format.hpp"
#include "checkpoint/journal_layout.hpp"
#include "files/durable_file.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A journal file to read. Whatever has happened to its bytes, it gives results as they were written, or none.
class JournalFile {
 public:
  enum class Condition { usable, damaged, no_journal, other_version, other_identity };

  /// Looks at the file's start. Throws FileError if it cannot be read at all.
  JournalFile(const std::filesystem::path& path, const std::string& identity);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return file_.path(); }
  [[nodiscard]] Condition condition() const noexcept { return condition_; }
  /// What keeps it from being used, in words that follow the file's name.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  /// The rows that are intact and whose results are in the file.
  [[nodiscard]] std::vector<JournalRecord> records() const;
  /// How many there were when it was written.
  [[nodiscard]] std::uint64_t n_written() const noexcept {
    return condition_ == Condition::usable ? header_.n_records : 0;
  }
  /// The result of a record. Nothing if it is damaged.
  [[nodiscard]] std::optional<Payload> read(const JournalRecord& record) const;
  /// The bytes of a record as they are in the file.
  [[nodiscard]] Bytes read_raw(const JournalRecord& record) const;

 private:
  void examine(const std::string& identity);

  DurableFile file_;
  Condition condition_ = Condition::usable;
  std::string reason_;
  JournalHeader header_;
};

/// A journal file that is being written, beside its later path; nothing is left of it without `commit`.
class NewJournalFile {
 public:
  /// Gives each record its offset, in their order. This and the other functions throw FileError.
  NewJournalFile(std::filesystem::path temporary, std::vector<JournalRecord> records, const std::string& identity,
                 const JournalLayout& layout);
  NewJournalFile(const NewJournalFile&) = delete;
  NewJournalFile& operator=(const NewJournalFile&) = delete;
  ~NewJournalFile();

  /// The next bytes of the records' data.
  void append(ByteView bytes);
  /// To be called when all data is there: the file is on the disk, under `path`, when it returns.
  void commit(const std::filesystem::path& path);

 private:
  DurableFile file_;
  JournalHeader header_;
  std::uint64_t position_;
  bool committed_ = false;
};

}  // namespace joblib_mpi
