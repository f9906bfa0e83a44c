#pragma once

#include <map>
#include <string>
#include <string_view>

namespace joblib_mpi::launch {

/// The stage that a rank has reached. Each rank reports it on standard error, so that the command can name ranks whose
/// report never arrives.
enum class Stage { started, asks_python, initialises, joined };

/// Returns the line with which `process` reports that it has reached `stage`.
[[nodiscard]] std::string stage_line(const std::string& process, Stage stage);

/// Returns the stage in words: "enters MPI_Init".
[[nodiscard]] std::string in_words(Stage stage);

/// The last stage that each process ("rank 2 on n1") has reported, and all other lines.
struct Attendance {
  std::map<std::string, Stage> stages;
  std::string other_lines;
};

/// Parses a job's standard error.
[[nodiscard]] Attendance attendance_in(std::string_view errors);

}  // namespace joblib_mpi::launch
