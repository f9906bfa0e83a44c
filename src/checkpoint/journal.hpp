#pragma once

#include "checkpoint/journal_file.hpp"
#include "checkpoint/journal_format.hpp"
#include "checkpoint/journal_layout.hpp"
#include "files/durable_file.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

/// The finished results of a program, on disk, so that the program's next run need not compute them again.
///
/// A thread of its own writes them, in groups: each group is a file of its own in the folder `<path>.parts`, complete
/// and on the disk before it gets its name. `finish` merges them into the one file `path`. So a kill at any moment, of
/// the merge too, costs at most what was not written yet. May be used from several threads.
class Journal {
 public:
  struct Options {
    std::filesystem::path path;
    /// Of the program and its library; a file with another one is refused.
    std::string identity;
    JournalLayout layout;
    /// The longest that a result waits before it is written.
    std::chrono::duration<double> flush_after{2.0};
    /// Results of more bytes do not wait any longer; twice as many make `append` wait for the disk.
    std::size_t group_bytes = std::size_t{256} << 20;
  };

  /// What is known of a task.
  enum class Known { nothing, result, other_function, other_arguments };

  /// Reads what is there. Throws CheckpointError if the file is another program's or version's, in use by another run,
  /// or in a folder that cannot be written; it is then left as it is.
  explicit Journal(Options options);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  /// Writes what has been appended; what goes wrong with it is lost to the caller.
  ~Journal();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return options_.path; }

  /// Compares a task with the result of earlier runs at its place; results that this run appends do not count.
  [[nodiscard]] Known find(const JournalPlace& place, const JournalKey& key) const;
  /// The result that `find` has found. Nothing, and a warning, if it is damaged on disk.
  [[nodiscard]] std::optional<Payload> load(const JournalPlace& place);
  /// The name of the function whose result is at `place`, as it was then.
  [[nodiscard]] std::string function_at(const JournalPlace& place) const;
  /// How many results of earlier runs there are.
  [[nodiscard]] std::size_t n_found() const noexcept { return known_.size(); }

  /// Takes a result over, to be written soon. Does nothing after writing has failed.
  void append(const JournalPlace& place, const JournalKey& key, std::string_view function, Payload result);
  /// Has what was appended written now. Does not wait; async-signal-unsafe.
  void request_flush();
  /// Returns when what was appended is on the disk, or writing has failed.
  void flush();
  /// Flushes and merges all files into one. The journal is closed after it, and lets others use the file.
  void finish();

  /// What went wrong since the last time, in words for the user: damaged files, a full disk.
  [[nodiscard]] std::vector<std::string> take_warnings();

 private:
  struct Stored {
    std::size_t file;
    JournalRecord record;
  };
  struct Pending {
    JournalRecord record;
    Payload result;
  };
  struct PlaceHash {
    std::size_t operator()(const JournalPlace& place) const noexcept {
      return static_cast<std::size_t>(place.call * 0x9e3779b97f4a7c15 ^ place.task);
    }
  };

  void hold_folder();
  void read_all();
  void read_file(const std::filesystem::path& path, bool is_part);
  void warn(std::string text);
  void write_groups();
  void write_group(std::deque<Pending> group);
  void compact(std::size_t most_parts);
  void merge(const std::vector<std::filesystem::path>& sources, const std::filesystem::path& target);
  void remove_folder();
  [[nodiscard]] std::filesystem::path next_part();
  [[nodiscard]] std::string name() const { return "checkpoint \"" + options_.path.string() + "\" "; }

  const Options options_;
  const std::filesystem::path folder_;
  std::optional<DurableFile> lock_;
  std::vector<JournalFile> files_;  // that were there at the start
  std::unordered_map<JournalPlace, Stored, PlaceHash> known_;
  std::vector<std::filesystem::path> parts_;  // in the order of their writing
  std::uint64_t last_part_ = 0;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable appended_;
  std::condition_variable written_;
  std::deque<Pending> pending_;
  std::size_t pending_bytes_ = 0;
  bool writing_ = false;
  bool flush_requested_ = false;
  bool stopped_ = false;  // by a failure
  bool closing_ = false;
  std::vector<std::string> warnings_;
  std::jthread writer_;  // last: it uses what is above
};

}  // namespace joblib_mpi
