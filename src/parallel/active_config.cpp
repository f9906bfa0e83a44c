#include "checkpoint/checkpoint.hpp"
#include "core/task_scope.hpp"
#include "parallel/resolve_options.hpp"
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/detail/active_config.hpp>
#include <joblib_mpi/parallel_config.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace joblib_mpi {
namespace {

using detail::ActiveConfig;

/// The options of a `parallel_config`, for calls at the depth of tasks at which it began.
struct ConfigScope {
  ActiveConfig config;
  std::size_t task_depth;
};

thread_local std::shared_ptr<const ConfigScope> current;

/// Returns a copy of what applies now, for an inner scope to change. A null backend stands for the default one.
ActiveConfig inherited() {
  if (current && current->task_depth == TaskScope::depth()) return current->config;
  return TaskScope::depth() == 0 ? ActiveConfig{} : ActiveConfig{find_backend("sequential")};
}

}  // namespace

parallel_config::parallel_config(ParallelOptions options) {
  require_valid(options);
  ActiveConfig config = inherited();
  if (options.backend) config.backend = find_backend(*options.backend);
  if (options.checkpoint) config.checkpoint = std::make_shared<Checkpoint>(*options.checkpoint);
  config.options = merged(std::move(options), config.options);
  outer_ =
      std::exchange(current, std::make_shared<const ConfigScope>(ConfigScope{std::move(config), TaskScope::depth()}));
}

parallel_config::~parallel_config() {
  current = std::static_pointer_cast<const ConfigScope>(std::move(outer_));
}

detail::ActiveConfig detail::active_config() {
  ActiveConfig config = inherited();
  if (!config.backend) config.backend = default_backend();
  return config;
}

}  // namespace joblib_mpi
