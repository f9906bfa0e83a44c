#include "executor/registered_function_runner.hpp"

#include "core/task_scope.hpp"
#include "executor/running_task.hpp"
#include "serialization/exception_codec.hpp"

#include <algorithm>
#include <string>

namespace joblib_mpi {

bool RegisteredFunctionRunner::run(const ExecutorTask& task, Payload& result, std::vector<ArrayLayout>& layouts) {
  const TaskScope scope;
  running_ = &task;
  std::string name = "a task";
  try {
    PayloadReader arguments(task.arguments);
    const auto& function = detail::FunctionRegistry::instance().at(arguments.read<detail::FunctionId>());
    function_name_ = function.name;
    try {
      const RunningTask running(function.name);
      PayloadWriter writer(result, &layouts);
      function.invoke(arguments, *this, writer);
      return true;
    } catch (...) {
      name = function.name;
      throw;
    }
  } catch (...) {
    result = {};
    PayloadWriter writer(result);
    save_current_exception(writer, name);
    return false;
  }
}

const void* RegisteredFunctionRunner::resolve(ObjectId object, Load load) {
  std::vector<Made>& forms = objects_[object];
  const auto known = std::ranges::find(forms, load, &Made::load);
  if (known != forms.end()) return known->value.get();
  const auto input = std::ranges::find(running_->objects, object, &ObjectInput::object);
  if (input == running_->objects.end())
    throw SerializationError("a task uses a scattered object that did not come with it");
  PayloadReader reader(*input->value);
  return forms.emplace_back(Made{load, load(reader)}).value.get();
}

}  // namespace joblib_mpi
