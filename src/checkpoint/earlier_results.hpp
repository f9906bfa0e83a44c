#pragma once

#include "checkpoint/journal_file.hpp"
#include "checkpoint/journal_folder.hpp"
#include "checkpoint/journal_format.hpp"
#include "checkpoint/journal_warnings.hpp"
#include "checkpoint/mac.hpp"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

/// The results that earlier runs have left in a journal's files. Does not change once it is made, so any thread may use
/// it.
class EarlierResults {
 public:
  /// The outcome of a search for a task's result.
  enum class Known { nothing, result, other_function, other_arguments };

  /// Reads the rows of all files and removes the files that were not completed. What is damaged is left out, with a
  /// warning in `warnings`, which must outlive this object. Throws CheckpointError if a file belongs to another program
  /// or version, or cannot be read; all files are then left as they are.
  EarlierResults(JournalFolder& folder, const std::string& identity, const std::optional<MacKey>& key,
                 JournalWarnings& warnings);

  /// Compares a task with the result at its place.
  [[nodiscard]] Known find(const JournalPlace& place, const JournalKey& key) const;
  /// Returns the result that `find` has found. Returns nothing, and adds a warning, if the result is damaged on disk.
  [[nodiscard]] std::optional<Payload> load(const JournalPlace& place) const;
  /// Returns the name that the function whose result is at `place` had when the result was written.
  [[nodiscard]] std::string function_at(const JournalPlace& place) const;
  [[nodiscard]] std::size_t size() const noexcept { return stored_.size(); }

 private:
  struct Stored {
    std::size_t file;
    JournalRecord record;
  };

  /// Reads the rows of a part, or leaves it out if it is damaged or no journal.
  void read_part(JournalFile part);
  /// Reads the rows of a file. Throws CheckpointError if the file is not usable.
  void read(JournalFile file);

  JournalWarnings* warnings_;
  std::vector<JournalFile> files_;
  std::unordered_map<JournalPlace, Stored, JournalPlaceHash> stored_;
};

}  // namespace joblib_mpi
