#pragma once

#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// The consequence of a problem, the worst first.
enum class Severity {
  fails,  ///< a run fails, or cannot do what the user asked for
  warns,  ///< a run works, but more slowly or less reliably than it could
  note,   ///< good to know
};

/// A finding, in words for the user.
struct Problem {
  Severity severity = Severity::fails;
  std::string what;    ///< what is wrong, on which ranks and hosts
  std::string remedy;  ///< what to do about it

  friend bool operator==(const Problem&, const Problem&) = default;
};

using Problems = std::vector<Problem>;

}  // namespace joblib_mpi::launch
