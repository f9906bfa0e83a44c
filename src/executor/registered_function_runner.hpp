#pragma once

#include "executor/in_process_executor.hpp"
#include <joblib_mpi/function_registry.hpp>

#include <unordered_map>

namespace joblib_mpi {

/// Runs the functions that `delayed` has registered. Makes each scattered object once and keeps it for later tasks.
class RegisteredFunctionRunner final : public TaskRunner, private detail::TaskObjects {
 public:
  [[nodiscard]] bool run(const ExecutorTask& task, Payload& result) override;
  void forget(ObjectId object) override { objects_.erase(object); }

 private:
  [[nodiscard]] const void* resolve(ObjectId object, Load load) override;

  const ExecutorTask* running_ = nullptr;
  std::unordered_map<ObjectId, std::shared_ptr<const void>> objects_;
};

}  // namespace joblib_mpi
