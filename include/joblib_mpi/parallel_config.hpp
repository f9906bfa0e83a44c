#pragma once

#include <joblib_mpi/parallel_options.hpp>

#include <memory>

namespace joblib_mpi {

/// Changes the defaults of every `Parallel` call that this thread makes while the object lives. Scopes nest: an option
/// that the inner one leaves unset comes from the outer one. The counterpart of joblib's `with parallel_config(…):`.
class [[nodiscard]] parallel_config {
 public:
  /// Makes `options` the defaults of this thread. Throws UsageError for an unknown backend, naming the known ones, for
  /// `n_jobs == 0`, and for a timeout or a limit that is not above 0.
  explicit parallel_config(ParallelOptions options);
  parallel_config(const parallel_config&) = delete;
  parallel_config& operator=(const parallel_config&) = delete;
  /// Restores the defaults of the surrounding scope. Must be called on the thread that made the object.
  ~parallel_config();

 private:
  std::shared_ptr<const void> outer_;
};

}  // namespace joblib_mpi
