#pragma once

#include <joblib_mpi/backend.hpp>

namespace joblib_mpi {

/// Runs the tasks one after another on the calling thread. Time and memory limits are not enforced. A task that throws
/// runs again if the call's options and `Task::can_run_again` allow it.
class SequentialBackend final : public Backend {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "sequential"; }
  [[nodiscard]] int effective_n_jobs(int n_jobs) const override;
  [[nodiscard]] int default_n_jobs() const noexcept override { return 1; }
  [[nodiscard]] std::unique_ptr<BackendCall> start_call(const CallOptions& options, ResultSink& sink) override;
  [[nodiscard]] std::shared_ptr<const ObjectId> share(Payload) override { return nullptr; }
  [[nodiscard]] bool in_process() const noexcept override { return true; }
};

}  // namespace joblib_mpi
