#pragma once

// Includes Catch2 of either major version: 2 on Debian 12, 3 on Debian 13.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <string>

namespace joblib_mpi::test {

/// The matcher in CHECK_THAT(text, contains("part")), which shows the whole text if the part is missing.
inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

/// Returns the text of the `E` that `function` throws, or a text which says that nothing was thrown. Other exceptions
/// pass through.
template <class E, class Function>
[[nodiscard]] std::string error_text(Function&& function) {
  try {
    function();
  } catch (const E& error) {
    return error.what();
  }
  return "(nothing was thrown)";
}

}  // namespace joblib_mpi::test
