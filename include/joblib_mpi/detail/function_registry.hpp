#pragma once

#include <joblib_mpi/detail/object_id.hpp>
#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace joblib_mpi::detail {

/// The number of a registered function: equal on all ranks, since all run the same program.
using FunctionId = Id<struct FunctionTag, std::uint32_t>;

/// The scattered objects that the arguments of a running task name.
class TaskObjects {
 public:
  using Load = std::shared_ptr<const void> (*)(PayloadReader& reader);

  virtual ~TaskObjects() = default;
  /// Returns the object as made by `load` when this process first used it. Valid while the task runs.
  [[nodiscard]] virtual const void* resolve(ObjectId object, Load load) = 0;
};

/// A function that tasks may call, and the way to call it with serialized arguments.
struct RegisteredFunction {
  /// The name for messages, such as "score".
  std::string name;
  /// Decodes the arguments, calls the function, encodes its result.
  void (*invoke)(PayloadReader& arguments, TaskObjects& objects, PayloadWriter& result);
};

/// The functions that `delayed` names anywhere in the program. Filled by static initialisation, before `main`.
class FunctionRegistry {
 public:
  /// Returns the registry of this process.
  [[nodiscard]] static FunctionRegistry& instance();

  /// Adds a function and returns its id. Called before `main`; ids are equal on all ranks of one program.
  FunctionId add(RegisteredFunction function);
  /// Returns the function with this id. Throws SerializationError if there is none.
  [[nodiscard]] const RegisteredFunction& at(FunctionId id) const;
  /// Returns a hash of the names of all functions in their order: equal on ranks that can work together.
  [[nodiscard]] std::uint64_t fingerprint() const;

 private:
  std::vector<RegisteredFunction> functions_;
};

/// Extracts a name such as "score" from the compiler's text for an instantiation with that function.
[[nodiscard]] std::string function_name(std::string_view pretty_function);

}  // namespace joblib_mpi::detail
