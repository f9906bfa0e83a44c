#include "parallel/resolve_options.hpp"

#include <joblib_mpi/error.hpp>

#include <cstddef>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>

namespace joblib_mpi {
namespace {

/// Returns references to all options. Does not compile unless it names every member, so that none is forgotten.
template <class Options>
auto all_of(Options& options) {
  auto& [n_jobs, backend, verbose, pre_dispatch, timeout_seconds, retries, retry_exceptions, task_timeout_seconds,
         memory_limit_bytes, checkpoint, spill_threshold_bytes, memory_budget_bytes, spill_dir, keep_spill,
         spill_compression] = options;
  return std::tie(n_jobs, backend, verbose, pre_dispatch, timeout_seconds, retries, retry_exceptions,
                  task_timeout_seconds, memory_limit_bytes, checkpoint, spill_threshold_bytes, memory_budget_bytes,
                  spill_dir, keep_spill, spill_compression);
}

template <class Inner, class Outer, std::size_t... index>
void fill_unset(const Inner& inner, const Outer& outer, std::index_sequence<index...>) {
  const auto fill = [](auto& option, const auto& otherwise) {
    if (!option) option = otherwise;
  };
  (fill(std::get<index>(inner), std::get<index>(outer)), ...);
}

/// Throws UsageError for a limit that is not above 0, such as a NaN.
template <class Number>
void require_above_0(const char* name, const std::optional<Number>& limit, const char* unset = "no limit") {
  if (!limit || *limit > 0) return;
  std::ostringstream message;
  message << name << " must be greater than 0, but is " << *limit << "; leave it unset for " << unset;
  throw UsageError(message.str());
}

}  // namespace

ParallelOptions merged(ParallelOptions inner, const ParallelOptions& outer) {
  const auto options = all_of(inner);
  fill_unset(options, all_of(outer), std::make_index_sequence<std::tuple_size_v<decltype(options)>>{});
  return inner;
}

void require_valid(const ParallelOptions& options) {
  if (options.n_jobs) (void)count_n_jobs(*options.n_jobs, 1);
  require_above_0("task_timeout_seconds", options.task_timeout_seconds);
  require_above_0("timeout_seconds", options.timeout_seconds);
  require_above_0("pre_dispatch", options.pre_dispatch, "the default");
  require_above_0("memory_limit_bytes", options.memory_limit_bytes);
  constexpr unsigned most_retries = std::numeric_limits<int>::max();
  if (options.retries && *options.retries > most_retries) {
    throw UsageError("retries must not be negative or above " + std::to_string(most_retries) + ", but is " +
                     std::to_string(*options.retries) + "; 0 makes one attempt");
  }
}

CallOptions resolved(const ParallelOptions& options, const Backend& backend) {
  const CallOptions defaults;
  return {.n_jobs = backend.effective_n_jobs(options.n_jobs.value_or(backend.default_n_jobs())),
          .retries = options.retries.value_or(defaults.retries),
          .retry_exceptions = options.retry_exceptions.value_or(defaults.retry_exceptions),
          .task_timeout_seconds = options.task_timeout_seconds.value_or(defaults.task_timeout_seconds),
          .memory_limit_bytes = options.memory_limit_bytes.value_or(defaults.memory_limit_bytes),
          .spill = {.threshold_bytes = options.spill_threshold_bytes,
                    .memory_budget_bytes = options.memory_budget_bytes,
                    .folder = options.spill_dir,
                    .keep = options.keep_spill,
                    .compression = options.spill_compression}};
}

}  // namespace joblib_mpi
