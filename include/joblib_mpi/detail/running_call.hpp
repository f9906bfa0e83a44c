#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/detail/result_collector.hpp>
#include <joblib_mpi/parallel_options.hpp>

#include <cstddef>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>

namespace joblib_mpi {

class Checkpoint;

namespace detail {

/// Returns the checkpoint with this path, or null without a path.
[[nodiscard]] std::shared_ptr<Checkpoint> make_checkpoint(const std::optional<std::filesystem::path>& path);

/// A `Parallel` call from its start to its end, apart from the types of its results. Counts the tasks that come back,
/// and passes their results on to a Collector.
class RunningCall final : private ResultSink {
 public:
  /// Starts the call. `checkpoint` is the one that `options` name, or null; `total` is the number of tasks for the
  /// progress line, if it is known; `results` must outlive the call. Throws UsageError for invalid options.
  RunningCall(const ParallelOptions& options, std::shared_ptr<Checkpoint> checkpoint, std::optional<std::size_t> total,
              Collector& results);
  RunningCall(const RunningCall&) = delete;
  RunningCall& operator=(const RunningCall&) = delete;
  /// Drops the tasks that have not run; nothing more reaches the collector.
  ~RunningCall() override;

  /// Hands on the next task; waits for results first while too many tasks, or too large ones, are under way.
  /// `array_bytes` is the size of the large arrays in its arguments as far as it is known. Throws what `finish` throws.
  void submit(Task& task, std::size_t array_bytes);
  /// Waits for all tasks. Throws the first error of a task that the collector does not keep.
  void finish();

 private:
  void store(std::size_t index, std::shared_ptr<void> result) override;
  void load(std::size_t index, PayloadReader& result) override;
  void fail(std::size_t index, std::exception_ptr error) override;
  void save(const std::shared_ptr<void>& result, PayloadWriter& writer) const override;
  void note_size(std::size_t index, std::size_t bytes) override;

  void note_finished(std::size_t index);
  void wait();
  /// Returns whether the checkpoint has the result already; it has then reached the collector.
  [[nodiscard]] bool take_from_checkpoint(std::size_t index, const Task& task);
  void end_if_interrupted();

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail
}  // namespace joblib_mpi
