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

/// Lets calls of this process have checkpoints while it lives: rank 0 of a session creates one. Several use the layout
/// and settings of the first.
class CheckpointFiles {
 public:
  CheckpointFiles(JournalLayout layout, const Settings& settings);
  CheckpointFiles(const CheckpointFiles&) = delete;
  CheckpointFiles& operator=(const CheckpointFiles&) = delete;
  ~CheckpointFiles();
};

/// Names scattered objects by their content, so that a task's arguments are equal bytes in each run.
class ObjectsByContent final : public ObjectHome {
 public:
  [[nodiscard]] std::shared_ptr<const ObjectId> share(Payload value) override;
  [[nodiscard]] PayloadWriter::Use use() const override { return PayloadWriter::Use::compare; }
};

class CheckpointedCall;

/// The checkpoint file of one `Parallel` object or one `parallel_config` scope, which numbers its calls. The first call
/// opens it. The destructor merges its parts into one file, unless the run was told to end: then the parts are left.
class Checkpoint {
 public:
  explicit Checkpoint(const std::filesystem::path& path) : path_(std::filesystem::absolute(path)) {}
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;
  ~Checkpoint();

  /// Starts the next call, whose results go to `sink`; both this object and `sink` must outlive the returned call.
  /// Throws UsageError where there are no checkpoints, CheckpointError for a file that cannot be used, and
  /// CheckpointInterrupt if the run has been told to end.
  [[nodiscard]] std::unique_ptr<CheckpointedCall> start_call(ResultSink& sink);

 private:
  friend class CheckpointedCall;
  void open();
  void report_warnings();

  const std::filesystem::path path_;
  std::mutex mutex_;  // guards the members below
  std::uint64_t calls_ = 0;
  std::optional<Journal> journal_;
  std::optional<InterruptionWatch> watch_;
  ObjectsByContent objects_;
};

/// One call, between its backend and its results: writes each result to the checkpoint on its way. Used by the call's
/// thread.
class CheckpointedCall final : public ResultSink {
 public:
  CheckpointedCall(Checkpoint& checkpoint, std::uint64_t number, ResultSink& sink)
      : checkpoint_(&checkpoint), number_(number), results_(*checkpoint.journal_, number), sink_(&sink) {}

  /// Returns true if the checkpoint has the task's result, which the sink has then been given. Otherwise the result is
  /// kept when it comes. Throws CheckpointError if the result that the checkpoint has belongs to another task.
  [[nodiscard]] bool take(std::size_t index, const Task& task);
  /// Returns when all results that have come are on disk.
  void flush();
  /// Returns whether tasks whose results are not in the file have not come back yet.
  [[nodiscard]] bool has_tasks_under_way() const { return results_.has_tasks_under_way(); }

  void store(std::size_t index, std::shared_ptr<void> result) override;
  void load(std::size_t index, PayloadReader& result) override;
  void fail(std::size_t index, std::exception_ptr error) override;
  void save(const std::shared_ptr<void>& result, PayloadWriter& writer) const override { sink_->save(result, writer); }
  void note_size(std::size_t index, std::size_t bytes) override { sink_->note_size(index, bytes); }
  void withdraw(std::size_t index) override { results_.forget(index); }

 private:
  [[nodiscard]] JournalKey key_of(std::size_t index, const Task& task) const;

  Checkpoint* checkpoint_;
  const std::uint64_t number_;
  JournaledCall results_;
  ResultSink* sink_;
};

}  // namespace joblib_mpi
