#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

/// Returns the seconds that `function` takes.
template <class Function>
double seconds_of(Function&& function) {
  const auto begin = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}
