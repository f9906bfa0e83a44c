#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/outcome.hpp>
#include <joblib_mpi/spilled.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// What is left out comes from `parallel_config`, then from the backend.
struct ParallelOptions {
  /// Tasks that run at a time; -1 is all, -2 all but one. 0 is an error, as in joblib.
  std::optional<int> n_jobs = {};
  /// "mpi", "threading", "sequential", or one that `register_backend` has made known.
  std::optional<std::string> backend = {};
  /// Progress on stderr: 0 none, 1 to 9 now and then, from 10 each second, from 50 after each task.
  std::optional<int> verbose = {};
  /// Tasks that are taken from the range before their turn; joblib's `pre_dispatch`.
  std::optional<std::size_t> pre_dispatch = {};
  /// The longest wait for the next result in seconds; TimeoutError after it.
  std::optional<double> timeout_seconds = {};
  /// Attempts after a first one whose executor or rank was lost, or that timed out; 2 if nobody says otherwise.
  std::optional<unsigned> retries = {};
  /// Whether a task that throws gets them, too. Of the backends "threading" and "sequential", only for functions that
  /// take their arguments by reference or as plain bytes: others consume them.
  std::optional<bool> retry_exceptions = {};
  /// What one attempt of a task may take, in seconds; TaskTimeoutError after the last. Where a task runs in the rank's
  /// own process, nothing but giving the rank up can end it. Not enforced by "threading" and "sequential".
  std::optional<double> task_timeout_seconds = {};
  /// Memory of one executor process, in bytes. Not enforced where tasks run in the rank's own process.
  std::optional<std::uint64_t> memory_limit_bytes = {};
  /// A file that keeps the results of finished tasks, so that the program, started again, computes only what is
  /// missing. Only on rank 0 inside MpiSession::run, whatever the backend. Calls of this `Parallel` object are numbered
  /// as they start, their tasks in the order of the range: a result counts for a task with the same numbers, function
  /// and arguments, and for a program of the same build. What else is there is refused with CheckpointError.
  std::optional<std::filesystem::path> checkpoint = {};
  /// Results of more bytes go to files instead of rank 0's memory; 64 MB. As JOBLIB_MPI_SPILL_THRESHOLD.
  std::optional<std::uint64_t> spill_threshold_bytes = {};
  /// What results may take of rank 0's memory before all but small ones go to files; half of rank 0's share of its
  /// node.
  std::optional<std::uint64_t> memory_budget_bytes = {};
  /// Where those files are, for all ranks to see; TMPDIR or the working directory. SpillError if it cannot be used.
  std::optional<std::string> spill_dir = {};
  /// Whether they stay, with an `index.h5` that links them as `result/<index>`.
  std::optional<bool> keep_spill = {};
  /// "none", "gzip", "gzip:6" or another filter that HDF5 finds. Compressed results are read into memory.
  std::optional<std::string> spill_compression = {};
};

class Checkpoint;

namespace detail {

/// Null without a path.
[[nodiscard]] std::shared_ptr<Checkpoint> make_checkpoint(const std::optional<std::filesystem::path>& path);

/// A call while it runs, apart from its types.
class RunningCall {
 public:
  /// `checkpoint` is the one that `options` ask for. `total` is for the progress line, if known.
  RunningCall(const ParallelOptions& options, std::shared_ptr<Checkpoint> checkpoint, std::optional<std::size_t> total);
  ~RunningCall();
  RunningCall(const RunningCall&) = delete;
  RunningCall& operator=(const RunningCall&) = delete;

  /// While it lives, tasks may be submitted; they come back to `sink`. Its end drops what has not run.
  class Started {
   public:
    Started(RunningCall& call, ResultSink& sink) : call_(&call) { call.start(sink); }
    Started(const Started&) = delete;
    Started& operator=(const Started&) = delete;
    ~Started() { call_->stop(); }

   private:
    RunningCall* call_;
  };

  /// Hands on task number `index`; while too many are on their way, waits for results first.
  void submit(std::size_t index, Task& task);
  /// Waits for all. Throws the first error of a task.
  void finish();

  /// A task has come back; to be told by the sink.
  void note_finished();
  void note_failed(std::exception_ptr error);

 private:
  void start(ResultSink& sink);
  void stop();
  void wait();
  /// Whether the checkpoint has the result already; it has then reached the sink.
  [[nodiscard]] bool take_from_checkpoint(std::size_t index, const Task& task);
  void end_if_interrupted();

  struct State;
  std::unique_ptr<State> state_;
};

template <class R>
class ResultCollector final : public ResultSink {
 public:
  explicit ResultCollector(RunningCall& call) : call_(&call) {}

  void expect_one_more() { results_.emplace_back(); }
  void store(std::size_t index, std::shared_ptr<void> result) override {
    results_[index] = std::move(*static_cast<R*>(result.get()));
    call_->note_finished();
  }
  void load(std::size_t index, PayloadReader& result) override {
    results_[index] = joblib_mpi::load<R>(result);
    call_->note_finished();
  }
  void fail(std::size_t, std::exception_ptr error) override { call_->note_failed(std::move(error)); }
  void save(const std::shared_ptr<void>& result, PayloadWriter& writer) const override {
    joblib_mpi::save(writer, *static_cast<const R*>(result.get()));
  }

  [[nodiscard]] std::vector<R> take() {
    std::vector<R> results;
    results.reserve(results_.size());
    for (std::optional<R>& result : results_) results.push_back(std::move(*result));
    return results;
  }

 private:
  RunningCall* call_;
  std::deque<std::optional<R>> results_;
};

template <>
class ResultCollector<void> final : public ResultSink {
 public:
  explicit ResultCollector(RunningCall& call) : call_(&call) {}

  void expect_one_more() {}
  void store(std::size_t, std::shared_ptr<void>) override { call_->note_finished(); }
  void load(std::size_t, PayloadReader&) override { call_->note_finished(); }
  void fail(std::size_t, std::exception_ptr error) override { call_->note_failed(std::move(error)); }
  void save(const std::shared_ptr<void>&, PayloadWriter&) const override {}
  void take() {}

 private:
  RunningCall* call_;
};

/// Leaves results as they have come.
template <class R>
class SpilledCollector final : public ResultSink {
 public:
  explicit SpilledCollector(RunningCall& call) : call_(&call) {}

  void expect_one_more() { results_.emplace_back(); }
  void store(std::size_t index, std::shared_ptr<void> result) override {
    results_[index].emplace(std::move(*static_cast<R*>(result.get())));
    call_->note_finished();
  }
  void load(std::size_t index, PayloadReader& result) override {
    results_[index].emplace(result.rest());
    call_->note_finished();
  }
  void fail(std::size_t, std::exception_ptr error) override { call_->note_failed(std::move(error)); }
  void save(const std::shared_ptr<void>& result, PayloadWriter& writer) const override {
    joblib_mpi::save(writer, *static_cast<const R*>(result.get()));
  }

  [[nodiscard]] std::vector<Spilled<R>> take() {
    std::vector<Spilled<R>> results;
    results.reserve(results_.size());
    for (std::optional<Spilled<R>>& result : results_) results.push_back(std::move(*result));
    return results;
  }

 private:
  RunningCall* call_;
  std::deque<std::optional<Spilled<R>>> results_;
};

/// Keeps failures beside results, so that the call goes on.
template <class R>
class OutcomeCollector final : public ResultSink {
 public:
  explicit OutcomeCollector(RunningCall& call) : call_(&call) {}

  void expect_one_more() { outcomes_.emplace_back(); }
  void store(std::size_t index, std::shared_ptr<void> result) override {
    if constexpr (std::is_void_v<R>) {
      outcomes_[index].emplace();
    } else {
      outcomes_[index].emplace(std::move(*static_cast<R*>(result.get())));
    }
    call_->note_finished();
  }
  void load(std::size_t index, PayloadReader& result) override {
    if constexpr (std::is_void_v<R>) {
      outcomes_[index].emplace();
    } else {
      outcomes_[index].emplace(joblib_mpi::load<R>(result));
    }
    call_->note_finished();
  }
  void fail(std::size_t index, std::exception_ptr error) override {
    outcomes_[index].emplace(std::move(error));
    call_->note_finished();
  }
  void save([[maybe_unused]] const std::shared_ptr<void>& result,
            [[maybe_unused]] PayloadWriter& writer) const override {
    if constexpr (!std::is_void_v<R>) joblib_mpi::save(writer, *static_cast<const R*>(result.get()));
  }

  [[nodiscard]] std::vector<Outcome<R>> take() {
    std::vector<Outcome<R>> outcomes;
    outcomes.reserve(outcomes_.size());
    for (std::optional<Outcome<R>>& outcome : outcomes_) outcomes.push_back(std::move(*outcome));
    return outcomes;
  }

 private:
  RunningCall* call_;
  std::deque<std::optional<Outcome<R>>> outcomes_;
};

}  // namespace detail

/// Runs delayed calls and gives their results in the order of the calls. As `joblib.Parallel`.
class Parallel {
 public:
  explicit Parallel(ParallelOptions options = {})
      : options_(std::move(options)), checkpoint_(detail::make_checkpoint(options_.checkpoint)) {}

  /// Takes the calls from the range as they are needed and returns a `std::vector` of their results, nothing for calls
  /// of void functions. Waits until all are done.
  ///
  /// An exception of a task ends the call: tasks that have not started are dropped and the first exception is thrown,
  /// as its own type and as `TaskFailure`. Throws UsageError for options that cannot be, TimeoutError as asked for, and
  /// with a checkpoint CheckpointError and CheckpointInterrupt.
  template <std::ranges::input_range Calls>
  auto operator()(Calls&& calls) const {
    return run<detail::ResultCollector<ResultOf<Calls>>>(std::forward<Calls>(calls));
  }

  /// The same, but all tasks run whatever becomes of the others: a `std::vector<Outcome<R>>` with a result or an
  /// exception for each call, in their order. As `on_error="return"` in Python. Throws only UsageError, TimeoutError,
  /// what a checkpoint throws and what the range throws.
  template <std::ranges::input_range Calls>
  auto outcomes(Calls&& calls) const {
    return run<detail::OutcomeCollector<ResultOf<Calls>>>(std::forward<Calls>(calls));
  }

  /// The same as `operator()`, but gives a `std::vector<Spilled<R>>`: each result is made when it is asked for, and a
  /// large one stays in its file until then. For results that do not fit into memory together.
  template <std::ranges::input_range Calls>
  auto spilled(Calls&& calls) const {
    return run<detail::SpilledCollector<ResultOf<Calls>>>(std::forward<Calls>(calls));
  }

 private:
  template <class Calls>
  using ResultOf = typename std::remove_cvref_t<std::ranges::range_reference_t<Calls>>::result_type;

  template <class Collector, class Calls>
  auto run(Calls&& calls) const {
    std::optional<std::size_t> total;
    if constexpr (std::ranges::sized_range<Calls>) total = static_cast<std::size_t>(std::ranges::size(calls));

    detail::RunningCall call(options_, checkpoint_, total);
    Collector results(call);
    const detail::RunningCall::Started started(call, results);
    std::size_t index = 0;
    for (auto&& delayed_call : calls) {
      auto task = std::forward<decltype(delayed_call)>(delayed_call);
      results.expect_one_more();
      call.submit(index++, task);
    }
    call.finish();
    return results.take();
  }

  ParallelOptions options_;
  std::shared_ptr<Checkpoint> checkpoint_;
};

}  // namespace joblib_mpi
