#include "checkpoint/checkpoint.hpp"
#include <joblib_mpi/backend_registry.hpp>
#include <joblib_mpi/parallel_config.hpp>

#include <sstream>
#include <utility>

namespace joblib_mpi {
namespace {

using detail::ActiveConfig;

thread_local std::shared_ptr<const ActiveConfig> current;

/// A copy of what applies now, to be changed by an inner scope. Its backend may be null: the default.
ActiveConfig inherited() {
  return current ? *current : ActiveConfig{};
}

std::shared_ptr<const void> enter(ActiveConfig config) {
  return std::exchange(current, std::make_shared<const ActiveConfig>(std::move(config)));
}

void leave(std::shared_ptr<const void>&& outer) {
  current = std::static_pointer_cast<const ActiveConfig>(std::move(outer));
}

}  // namespace

parallel_config::parallel_config(ParallelConfigOptions options) {
  ActiveConfig config = inherited();
  if (options.backend) config.backend = find_backend(*options.backend);
  if (options.n_jobs) {
    (void)count_n_jobs(*options.n_jobs, 1);
    config.n_jobs = options.n_jobs;
  }
  detail::require_time_limit(options.task_timeout_seconds);
  if (options.verbose) config.verbose = options.verbose;
  if (options.retries) config.retries = options.retries;
  if (options.retry_exceptions) config.retry_exceptions = options.retry_exceptions;
  if (options.task_timeout_seconds) config.task_timeout_seconds = options.task_timeout_seconds;
  if (options.memory_limit_bytes) config.memory_limit_bytes = options.memory_limit_bytes;
  if (options.checkpoint) config.checkpoint = std::make_shared<Checkpoint>(*options.checkpoint);
  config.spill = detail::merged(detail::spill_options(options), config.spill);
  outer_ = enter(std::move(config));
}

parallel_config::~parallel_config() {
  leave(std::move(outer_));
}

void detail::require_time_limit(std::optional<double> task_timeout_seconds) {
  if (!task_timeout_seconds || *task_timeout_seconds > 0) return;
  std::ostringstream value;
  value << *task_timeout_seconds;
  throw UsageError("task_timeout_seconds = " + value.str() +
                   " is no time: give a number of seconds above 0, or leave it out for no limit");
}

SpillOptions detail::merged(SpillOptions inner, const SpillOptions& outer) {
  if (!inner.threshold_bytes) inner.threshold_bytes = outer.threshold_bytes;
  if (!inner.memory_budget_bytes) inner.memory_budget_bytes = outer.memory_budget_bytes;
  if (!inner.folder) inner.folder = outer.folder;
  if (!inner.keep) inner.keep = outer.keep;
  if (!inner.compression) inner.compression = outer.compression;
  return inner;
}

detail::ActiveConfig detail::active_config() {
  ActiveConfig config = inherited();
  if (!config.backend) config.backend = default_backend();
  return config;
}

detail::TaskScope::TaskScope() : outer_(current) {
  static const std::shared_ptr<const ActiveConfig> inside_task =
      std::make_shared<const ActiveConfig>(ActiveConfig{find_backend("sequential")});
  current = inside_task;
}

detail::TaskScope::~TaskScope() {
  leave(std::move(outer_));
}

}  // namespace joblib_mpi
