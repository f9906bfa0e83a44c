#pragma once

#include "checkpoint/earlier_results.hpp"
#include "checkpoint/journal_folder.hpp"
#include "checkpoint/journal_format.hpp"
#include "checkpoint/journal_layout.hpp"
#include "checkpoint/journal_warnings.hpp"
#include "checkpoint/journal_writer.hpp"
#include "checkpoint/mac.hpp"
#include "checkpoint/writing_queue.hpp"
#include "files/guarded_folder.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace joblib_mpi {

/// The finished results of a program, on disk, so that the program's next run need not compute them again.
///
/// A writer thread writes them in groups. Each group is a separate file in the folder `<path>.parts`; it gets its name
/// when it is complete and on disk. `finish` merges the files into the one file `path`. So a kill at any moment, even
/// during the merge, loses at most what was not written yet. Thread-safe.
///
/// A process that is forked while the journal is open gets a copy that keeps and writes nothing.
class Journal {
 public:
  struct Options {
    std::filesystem::path path;
    /// The identity of the program and its library; a file with another identity is refused.
    std::string identity;
    JournalLayout layout;
    /// The longest time that a result waits before it is written.
    std::chrono::duration<double> flush_after{2.0};
    /// The number of waiting bytes beyond which results are written at once; with twice as many, `append` waits for the
    /// disk.
    std::size_t group_bytes = std::size_t{256} << 20;
    /// The files that are read: results are unpickled, so their writer can run code in this program.
    Guard guard = Guard::own;
    /// The key with which files are authenticated, which others may write to if `guard` is `shared`.
    std::optional<MacKey> key = std::nullopt;
    /// The longest time to wait for another process that has the file in use, perhaps because it is ending.
    std::chrono::duration<double> patience{0.0};
  };

  using Known = EarlierResults::Known;

  /// Reads the existing files. Throws CheckpointError if the file belongs to another program or version, is in use by
  /// another run, or is in a folder that cannot be written; the file is then left as it is.
  explicit Journal(Options options);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  /// Writes what has been appended; errors are not reported to the caller.
  ~Journal();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return folder_.path(); }

  /// Compares a task with the result of earlier runs at its place; results that this run appends do not count.
  [[nodiscard]] Known find(const JournalPlace& place, const JournalKey& key) const;
  /// Returns the result that `find` has found. Returns nothing, and adds a warning, if the result is damaged on disk.
  [[nodiscard]] std::optional<Payload> load(const JournalPlace& place);
  /// Returns the name that the function whose result is at `place` had when the result was written.
  [[nodiscard]] std::string function_at(const JournalPlace& place) const;
  /// Returns the number of results of earlier runs.
  [[nodiscard]] std::size_t n_found() const noexcept { return earlier_.size(); }

  /// Takes ownership of a result, which is written soon. Does nothing after writing has failed.
  void append(const JournalPlace& place, const JournalKey& key, std::string_view function, Payload result);
  /// Has appended results written now, and later ones as soon as they are appended; a compaction that is under way is
  /// put off for them. Does not wait; not async-signal-safe.
  void write_at_once();
  /// Returns when all appended results are on disk, or writing has failed.
  void flush();
  /// Flushes and merges all files into one. The journal is closed afterwards, and other runs may use the file.
  void finish();

  /// Returns the warnings for the user since the last call, for example about damaged files or a full disk.
  [[nodiscard]] std::vector<std::string> take_warnings();

 private:
  /// Returns whether this process was forked from the one that opened the journal. It has neither the queue's thread,
  /// nor the right to the files, and the queue's locks and conditions are as that process held them at the fork.
  [[nodiscard]] bool is_fork() const noexcept;
  /// Returns whether the group was written; adds a warning if it was not.
  [[nodiscard]] bool write(std::deque<UnwrittenResult> group);

  const pid_t owner_ = getpid();
  JournalWarnings warnings_;
  JournalFolder folder_;
  EarlierResults earlier_;
  JournalWriter writer_;
  std::unique_ptr<WritingQueue> queue_;  // uses the members above
};

}  // namespace joblib_mpi
