#pragma once

#include <joblib_mpi/backend.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace joblib_mpi {

/// Each as in ParallelOptions.
struct ParallelConfigOptions {
  std::optional<std::string> backend = {};
  std::optional<int> n_jobs = {};
  std::optional<int> verbose = {};
  std::optional<unsigned> retries = {};
  std::optional<bool> retry_exceptions = {};
  std::optional<double> task_timeout_seconds = {};
  std::optional<std::uint64_t> memory_limit_bytes = {};
  /// Here the calls of all `Parallel` objects are numbered that have none of their own, also those inside inner
  /// configs.
  std::optional<std::filesystem::path> checkpoint = {};
  std::optional<std::uint64_t> spill_threshold_bytes = {};
  std::optional<std::uint64_t> memory_budget_bytes = {};
  std::optional<std::string> spill_dir = {};
  std::optional<bool> keep_spill = {};
  std::optional<std::string> spill_compression = {};
};

class Checkpoint;

/// Changes the defaults of every `Parallel` that this thread makes while the object lives. Nests: what the inner one
/// leaves out comes from the outer. As `joblib.parallel_config`, whose `with` block is the object's scope.
class [[nodiscard]] parallel_config {
 public:
  /// Throws UsageError for an unknown backend, naming the known ones, for `n_jobs == 0`, and for a time limit that is
  /// not above 0.
  explicit parallel_config(ParallelConfigOptions options);
  parallel_config(const parallel_config&) = delete;
  parallel_config& operator=(const parallel_config&) = delete;
  ~parallel_config();

 private:
  std::shared_ptr<const void> outer_;
};

namespace detail {
struct ActiveConfig {
  std::shared_ptr<Backend> backend;
  std::optional<int> n_jobs = {};
  std::optional<int> verbose = {};
  std::optional<unsigned> retries = {};
  std::optional<bool> retry_exceptions = {};
  std::optional<double> task_timeout_seconds = {};
  std::optional<std::uint64_t> memory_limit_bytes = {};
  std::shared_ptr<Checkpoint> checkpoint = {};
  SpillOptions spill = {};
};
/// What `outer` says where `inner` says nothing.
[[nodiscard]] SpillOptions merged(SpillOptions inner, const SpillOptions& outer);
/// The part of ParallelOptions or ParallelConfigOptions.
template <class Options>
[[nodiscard]] SpillOptions spill_options(const Options& options) {
  return {options.spill_threshold_bytes, options.memory_budget_bytes, options.spill_dir, options.keep_spill,
          options.spill_compression};
}
/// Throws UsageError for a limit that is not above 0; no limit at all is none.
void require_time_limit(std::optional<double> task_timeout_seconds);
/// What applies to this thread now; the backend is never null.
[[nodiscard]] ActiveConfig active_config();

/// Inside a task: nested calls run one after another on this thread unless told otherwise.
class [[nodiscard]] TaskScope {
 public:
  TaskScope();
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;
  ~TaskScope();

 private:
  std::shared_ptr<const void> outer_;
};
}  // namespace detail

}  // namespace joblib_mpi
