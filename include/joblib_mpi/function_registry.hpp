#pragma once

#include <joblib_mpi/ids.hpp>
#include <joblib_mpi/payload.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace joblib_mpi::detail {

/// The same number on every rank, since all run the same program.
using FunctionId = Id<struct FunctionTag, std::uint32_t>;

/// Gives a running task the scattered objects that its arguments name.
class TaskObjects {
 public:
  using Load = std::shared_ptr<const void> (*)(PayloadReader& reader);

  virtual ~TaskObjects() = default;
  /// What `load` makes of the object, at its first use in this process. Valid while the task runs.
  [[nodiscard]] virtual const void* resolve(ObjectId object, Load load) = 0;
};

/// A function that tasks may call, together with how its arguments are stored.
struct RegisteredFunction {
  /// For messages: "score".
  std::string name;
  /// Decodes the arguments, calls the function, encodes its result.
  void (*invoke)(PayloadReader& arguments, TaskObjects& objects, PayloadWriter& result);
};

/// All functions that `delayed` names anywhere in the program. Filled before `main`, by static initialisation.
class FunctionRegistry {
 public:
  [[nodiscard]] static FunctionRegistry& instance();

  FunctionId add(RegisteredFunction function);
  /// Throws SerializationError for an id that no function has.
  [[nodiscard]] const RegisteredFunction& at(FunctionId id) const;
  /// The names of all functions in their order, as one number: equal on ranks that understand each other.
  [[nodiscard]] std::uint64_t fingerprint() const;

 private:
  std::vector<RegisteredFunction> functions_;
};

/// "score" out of what the compiler calls an instantiation for `score`.
[[nodiscard]] std::string function_name(std::string_view pretty_function);

}  // namespace joblib_mpi::detail
