#pragma once

#include <joblib_mpi/backend.hpp>

#include <memory>
#include <optional>
#include <string>

namespace joblib_mpi {

struct ParallelConfigOptions {
  std::optional<std::string> backend = {};
  std::optional<int> n_jobs = {};
  std::optional<int> verbose = {};
};

/// Changes the defaults of every `Parallel` that this thread makes while the object lives. Nests: what the inner one
/// leaves out comes from the outer. As `joblib.parallel_config`, whose `with` block is the object's scope.
class [[nodiscard]] parallel_config {
 public:
  /// Throws UsageError for an unknown backend, naming the known ones, and for `n_jobs == 0`.
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
};
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
