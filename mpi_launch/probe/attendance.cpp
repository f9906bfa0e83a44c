#include "probe/attendance.hpp"

#include <array>
#include <sstream>
#include <utility>

namespace joblib_mpi::launch {
namespace {

constexpr std::string_view mark = "joblib-mpi-probe: ";

constexpr std::array<std::pair<Stage, std::string_view>, 4> words{{{Stage::started, "has started"},
                                                                   {Stage::asks_python, "asks Python"},
                                                                   {Stage::initialises, "enters MPI_Init"},
                                                                   {Stage::joined, "has joined"}}};

}  // namespace

std::string in_words(Stage stage) {
  for (const auto& [known, word] : words) {
    if (known == stage) return std::string(word);
  }
  return {};
}

std::string stage_line(const std::string& process, Stage stage) {
  return std::string(mark) + process + ": " + in_words(stage) + "\n";
}

Attendance attendance_in(std::string_view errors) {
  Attendance attendance;
  std::istringstream lines{std::string(errors)};
  for (std::string line; std::getline(lines, line);) {
    const auto start = line.find(mark);
    const auto colon = line.rfind(": ");
    bool is_stage = false;
    if (start != std::string::npos && colon > start + mark.size()) {
      for (const auto& [stage, word] : words) {
        if (line.substr(colon + 2) != word) continue;
        is_stage = true;
        attendance.stages[line.substr(start + mark.size(), colon - start - mark.size())] = stage;
      }
    }
    if (!is_stage) attendance.other_lines += line + '\n';
  }
  return attendance;
}

}  // namespace joblib_mpi::launch
