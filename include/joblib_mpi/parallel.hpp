#pragma once

#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/detail/range_of_calls.hpp>
#include <joblib_mpi/detail/result_collector.hpp>
#include <joblib_mpi/detail/running_call.hpp>
#include <joblib_mpi/outcome.hpp>
#include <joblib_mpi/parallel_options.hpp>
#include <joblib_mpi/spilled.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// Runs delayed calls and returns their results in the order of the calls. The counterpart of `joblib.Parallel`:
/// `Parallel{{.n_jobs = -1}}(calls)`.
class Parallel {
 public:
  /// Keeps the options for all calls of this object. They are checked when a call starts.
  explicit Parallel(ParallelOptions options = {})
      : options_(std::move(options)), checkpoint_(detail::make_checkpoint(options_.checkpoint)) {}

  /// Takes calls from the range as they are needed, waits for all of them, and returns a `std::vector` with the result
  /// of each; nothing if the functions return void. The calls of a container are copied, or moved if the container is
  /// an rvalue: `parallel(std::move(calls))`.
  ///
  /// An exception of a task ends the call: tasks that have not started are dropped, and the first exception is thrown,
  /// both as its own type and as `TaskFailure`. Throws UsageError for invalid options, TimeoutError after
  /// `timeout_seconds`, and with a checkpoint CheckpointError and CheckpointInterrupt.
  template <class Calls>
  auto operator()(Calls&& calls) const {
    return run<detail::Keep::values>(std::forward<Calls>(calls));
  }
  /// @cond
  // Never compile: they have the compiler say what to write in place of a list in braces, or of several arguments.
  std::vector<int> operator()(detail::BracedCalls) const { return {}; }
  template <class First, class Second, class... More>
  std::vector<int> operator()(First&&, Second&&, More&&...) const {
    decltype(detail::list_problem<std::remove_cvref_t<First>, std::remove_cvref_t<Second>,
                                  std::remove_cvref_t<More>...>())::explain();
    return {};
  }
  /// @endcond

  /// Runs all tasks even if some fail, and returns a `std::vector<Outcome<R>>` with the result or the exception of each
  /// call, in their order. The counterpart of `on_error="return"` in Python. Throws UsageError, TimeoutError, and what
  /// a checkpoint or the range throws.
  template <class Calls>
  auto outcomes(Calls&& calls) const {
    return run<detail::Keep::outcomes>(std::forward<Calls>(calls));
  }

  /// Returns a `std::vector<Spilled<R>>`: each result is deserialized on request, and a large one stays in its file
  /// until then. For results that do not fit into memory together. Throws what `operator()` throws.
  template <class Calls>
  auto spilled(Calls&& calls) const {
    return run<detail::Keep::spilled>(std::forward<Calls>(calls));
  }

 private:
  template <detail::Keep keep, class Calls>
  auto run(Calls&& calls) const {
    using Problem = decltype(detail::range_problem<Calls>());
    if constexpr (!std::is_same_v<Problem, detail::NoProblem>) {
      Problem::explain();
      return std::vector<int>();
    } else {
      return run_calls<keep>(std::forward<Calls>(calls));
    }
  }

  template <detail::Keep keep, class Calls>
  auto run_calls(Calls&& calls) const {
    using Result = typename std::ranges::range_value_t<Calls>::result_type;
    std::optional<std::size_t> total;
    if constexpr (std::ranges::sized_range<Calls>) total = static_cast<std::size_t>(std::ranges::size(calls));

    detail::ResultCollector<Result, keep> results;
    detail::RunningCall call(options_, checkpoint_, total, results);
    for (auto&& delayed_call : calls) {
      auto task = detail::taken_from<Calls>(std::forward<decltype(delayed_call)>(delayed_call));
      results.expect_one_more();
      call.submit(task, detail::array_bytes(task));
    }
    call.finish();
    return results.take();
  }

  ParallelOptions options_;
  std::shared_ptr<Checkpoint> checkpoint_;
};

}  // namespace joblib_mpi
