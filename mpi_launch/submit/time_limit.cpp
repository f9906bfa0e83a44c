#include "submit/time_limit.hpp"

#include <array>
#include <regex>

namespace joblib_mpi::launch {

std::optional<long> seconds_of_time_limit(const std::string& text) {
  struct Form {
    std::regex pattern;
    std::array<long, 4> units;  // seconds per unit of each number
  };
  constexpr long day = 86400;
  static const Form forms[] = {
      {std::regex(R"((\d{1,8}))"), {60}},
      {std::regex(R"((\d{1,8}):(\d{1,2}))"), {60, 1}},
      {std::regex(R"((\d{1,6}):(\d{1,2}):(\d{1,2}))"), {3600, 60, 1}},
      {std::regex(R"((\d{1,5})-(\d{1,2}))"), {day, 3600}},
      {std::regex(R"((\d{1,5})-(\d{1,2}):(\d{1,2}))"), {day, 3600, 60}},
      {std::regex(R"((\d{1,5})-(\d{1,2}):(\d{1,2}):(\d{1,2}))"), {day, 3600, 60, 1}},
  };
  for (const Form& form : forms) {
    std::smatch numbers;
    if (!std::regex_match(text, numbers, form.pattern)) continue;
    long seconds = 0;
    for (std::size_t index = 1; index < numbers.size(); ++index) {
      seconds += std::stol(numbers[index]) * form.units[index - 1];
    }
    return seconds;
  }
  return std::nullopt;
}

}  // namespace joblib_mpi::launch
