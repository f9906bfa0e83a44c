#pragma once

#include <map>
#include <string>
#include <string_view>

namespace joblib_mpi::launch {

/// How far a rank has come, as it says on its standard error: by this the command knows of ranks whose report never
/// comes.
enum class Stage { started, asks_python, initialises, joined };

/// The line that says so.
[[nodiscard]] std::string stage_line(const std::string& process, Stage stage);

/// In words: "MPI_Init".
[[nodiscard]] std::string in_words(Stage stage);

/// The last stage of each process ("rank 2 on n1") that `errors` has, and what else is in it.
struct Attendance {
  std::map<std::string, Stage> stages;
  std::string other_lines;
};
[[nodiscard]] Attendance attendance_in(std::string_view errors);

}  // namespace joblib_mpi::launch
