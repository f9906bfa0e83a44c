#pragma once

#include <string>
#include <vector>

namespace joblib_mpi::launch {

enum class Severity {
  fails,  ///< a run fails, or one that does what it was told to
  warns,  ///< it works, but slower than it need be, or less surely
  note,   ///< good to know
};

/// Something that is not as it should be, for people.
struct Problem {
  Severity severity = Severity::fails;
  std::string what;    ///< with the ranks and hosts
  std::string remedy;  ///< what to do about it

  friend bool operator==(const Problem&, const Problem&) = default;
};

using Problems = std::vector<Problem>;

}  // namespace joblib_mpi::launch
