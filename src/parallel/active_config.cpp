#include "checkpoint/checkpoint.hpp"
#include "parallel/resolve_options.hpp"
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/detail/active_config.hpp>
#include <joblib_mpi/detail/task_scope.hpp>
#include <joblib_mpi/parallel_config.hpp>

#include <utility>

namespace joblib_mpi {
namespace {

using detail::ActiveConfig;

thread_local std::shared_ptr<const ActiveConfig> current;

/// Returns a copy of what applies now, for an inner scope to change. A null backend stands for the default one.
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

parallel_config::parallel_config(ParallelOptions options) {
  require_valid(options);
  ActiveConfig config = inherited();
  if (options.backend) config.backend = find_backend(*options.backend);
  if (options.checkpoint) config.checkpoint = std::make_shared<Checkpoint>(*options.checkpoint);
  config.options = merged(std::move(options), config.options);
  outer_ = enter(std::move(config));
}

parallel_config::~parallel_config() {
  leave(std::move(outer_));
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
