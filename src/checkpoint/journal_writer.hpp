#pragma once

#include "checkpoint/journal_folder.hpp"
#include "checkpoint/journal_format.hpp"
#include "checkpoint/journal_layout.hpp"
#include "checkpoint/mac.hpp"

#include <atomic>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A result that is to be written, with its row.
struct UnwrittenResult {
  JournalRecord record;
  Payload result;
};

/// Writes the parts of a journal and merges them. A file gets its name when it is complete and on disk, and the sources
/// of a merge are removed after that. Functions throw Error; one thread at a time may call them, unless they say
/// otherwise.
class JournalWriter {
 public:
  /// Writes into `folder`, which must outlive this object.
  JournalWriter(JournalFolder& folder, std::string identity, JournalLayout layout, std::optional<MacKey> key);

  /// Writes the results to a new part.
  void write(std::deque<UnwrittenResult> group);
  /// Merges the smaller half of the parts into one if there are many, so that a long run does not fill a parallel file
  /// system with small files. Does nothing after `put_off_compactions`.
  void compact();
  /// Has a compaction that is under way end soon, with nothing changed on disk, and no other begin. Thread-safe.
  void put_off_compactions() noexcept { compactions_are_put_off_ = true; }
  /// Merges the parts into the journal's file.
  void merge_all();

 private:
  enum class Urgency { can_wait, must_end };
  /// Returns whether all was merged into `target`; what can wait ends early, with nothing written, once compactions are
  /// put off.
  [[nodiscard]] bool merge(const std::vector<std::filesystem::path>& sources, const std::filesystem::path& target,
                           Urgency urgency);

  JournalFolder* folder_;
  std::string identity_;
  JournalLayout layout_;
  std::optional<MacKey> key_;
  std::atomic<bool> compactions_are_put_off_ = false;
};

}  // namespace joblib_mpi
