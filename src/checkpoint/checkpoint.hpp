#pragma once

#include "checkpoint/interruption.hpp"
#include "checkpoint/journal.hpp"
#include "checkpoint/journaled_call.hpp"
#include "core/settings.hpp"
#include <joblib_mpi/backend.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

namespace joblib_mpi {

/// While it lives, calls of this process may have checkpoints: rank 0 of a session makes one. Not more than one at a
/// time.
class CheckpointFiles {
 public:
  CheckpointFiles(JournalLayout layout, const Settings& settings);
  CheckpointFiles(const CheckpointFiles&) = delete;
  CheckpointFiles& operator=(const CheckpointFiles&) = delete;
  ~CheckpointFiles();
};

/// Names scattered objects by what they contain, so that a task's arguments are the same bytes in each run.
class ObjectsByContent final : public ObjectHome {
 public:
  [[nodiscard]] std::shared_ptr<const ObjectId> share(Payload value) override;
};

class CheckpointedCall;

/// The checkpoint file of one `Parallel` object or one `parallel_config` scope, which numbers its calls. It is opened
/// by the first call, and merged into one file when the object ends, unless the run was told to end: then parts are
/// left.
class Checkpoint {
 public:
  explicit Checkpoint(const std::filesystem::path& path) : path_(std::filesystem::absolute(path)) {}
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;
  ~Checkpoint();

  /// The next call, whose results go to `sink`; both this and `sink` must outlive it. Throws UsageError where there are
  /// no checkpoints, CheckpointError for a file that cannot be used, CheckpointInterrupt if the run has been told to
  /// end.
  [[nodiscard]] std::unique_ptr<CheckpointedCall> start_call(ResultSink& sink);

 private:
  friend class CheckpointedCall;
  void open();
  void report_warnings();

  const std::filesystem::path path_;
  std::mutex mutex_;  // of what follows
  std::uint64_t calls_ = 0;
  std::optional<Journal> journal_;
  std::optional<InterruptionWatch> watch_;
  ObjectsByContent objects_;
};

/// One call, between its backend and its results: keeps each on the way. Used by the call's thread.
class CheckpointedCall final : public ResultSink {
 public:
  CheckpointedCall(Checkpoint& checkpoint, std::uint64_t number, ResultSink& sink)
      : checkpoint_(&checkpoint), number_(number), results_(*checkpoint.journal_, number), sink_(&sink) {}

  /// True if the task's result is there: the sink has it now. Otherwise its result will be kept when it comes. Throws
  /// CheckpointError if the result that is there is another task's.
  [[nodiscard]] bool take(std::size_t index, const Task& task);
  /// Returns when all results that have come are on the disk.
  void flush();
  /// Whether tasks that are not in the file have not come back yet.
  [[nodiscard]] bool has_tasks_under_way() const { return results_.has_tasks_under_way(); }

  void store(std::size_t index, std::shared_ptr<void> result) override;
  void load(std::size_t index, PayloadReader& result) override;
  void fail(std::size_t index, std::exception_ptr error) override;
  void save(const std::shared_ptr<void>& result, PayloadWriter& writer) const override { sink_->save(result, writer); }
  void withdraw(std::size_t index) override { results_.forget(index); }

 private:
  [[nodiscard]] JournalKey key_of(std::size_t index, const Task& task) const;

  Checkpoint* checkpoint_;
  const std::uint64_t number_;
  JournaledCall results_;
  ResultSink* sink_;
};

}  // namespace joblib_mpi
