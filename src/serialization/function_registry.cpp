#include <joblib_mpi/detail/function_registry.hpp>

#include <xxhash.h>

namespace joblib_mpi::detail {

FunctionRegistry& FunctionRegistry::instance() {
  static FunctionRegistry registry;
  return registry;
}

FunctionId FunctionRegistry::add(RegisteredFunction function) {
  functions_.push_back(std::move(function));
  return FunctionId{static_cast<std::uint32_t>(functions_.size() - 1)};
}

const RegisteredFunction& FunctionRegistry::at(FunctionId id) const {
  if (id.value >= functions_.size()) {
    throw SerializationError("task function " + std::to_string(id.value) +
                             " is unknown on this rank, whose program has " + std::to_string(functions_.size()) +
                             "; start the same program on all ranks");
  }
  return functions_[id.value];
}

std::uint64_t FunctionRegistry::fingerprint() const {
  std::uint64_t hash = 0;
  for (const RegisteredFunction& function : functions_) {
    hash = XXH3_64bits_withSeed(function.name.data(), function.name.size(), hash);
  }
  return hash;
}

std::string function_name(std::string_view pretty_function) {
  // g++: "… Invocation<function, …>::name() [with auto function = score; …]"; clang: "… [function = &score, …]"
  constexpr std::string_view marker = "function = ";
  const std::size_t begin = pretty_function.find(marker);
  if (begin == std::string_view::npos) return std::string(pretty_function);
  std::string_view name = pretty_function.substr(begin + marker.size());
  if (name.starts_with('&')) name.remove_prefix(1);
  int depth = 0;  // of brackets within the name, such as those of a template or of the location of a lambda
  for (std::size_t end = 0; end < name.size(); ++end) {
    const char character = name[end];
    if (depth == 0 && (character == ';' || character == ',' || character == ']'))
      return std::string(name.substr(0, end));
    if (character == '<' || character == '(' || character == '{') ++depth;
    if (character == '>' || character == ')' || character == '}') --depth;
  }
  return std::string(name);
}

}  // namespace joblib_mpi::detail
