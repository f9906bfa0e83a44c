#pragma once

/// Catch2 of either major version: 2 on Debian 12, 3 on Debian 13.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <string>

namespace joblib_mpi::test {

/// For CHECK_THAT(text, contains("part")): shows the whole text where it does not.
inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

/// The text of the `E` that `function` throws, or a text that says that it threw none. Other exceptions pass through.
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
