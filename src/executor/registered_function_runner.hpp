#pragma once

#include "executor/in_process_executor.hpp"
#include <joblib_mpi/detail/function_registry.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace joblib_mpi {

/// Runs the functions that `delayed` has registered. Deserializes each scattered object once for each form in which
/// functions use it, and keeps it for later tasks.
class RegisteredFunctionRunner final : public TaskRunner, private detail::TaskObjects {
 public:
  [[nodiscard]] bool run(const ExecutorTask& task, Payload& result, std::vector<ArrayLayout>& layouts) override;
  [[nodiscard]] std::string function_name() const override { return std::string(function_name_); }
  void forget(ObjectId object) override { objects_.erase(object); }

 private:
  [[nodiscard]] const void* resolve(ObjectId object, Load load) override;

  const ExecutorTask* running_ = nullptr;
  std::string_view function_name_;  // the name of the last function that was found
  struct Made {
    Load load;
    std::shared_ptr<const void> value;
  };
  std::unordered_map<ObjectId, std::vector<Made>> objects_;
};

}  // namespace joblib_mpi
