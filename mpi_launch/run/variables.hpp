#pragma once

#include <charconv>
#include <map>
#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// Environment variables: values by name.
using VariableMap = std::map<std::string, std::string>;

/// Returns the value of `name`, or an empty text if it is not set.
[[nodiscard]] inline std::string text_of(const VariableMap& variables, const char* name) {
  const auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

/// Returns the value of `name` if it is a whole number, or nothing.
[[nodiscard]] inline std::optional<int> number_of(const VariableMap& variables, const char* name) {
  const std::string text = text_of(variables, name);
  int value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace joblib_mpi::launch
