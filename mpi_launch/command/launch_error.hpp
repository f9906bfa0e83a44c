#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace joblib_mpi::launch {

/// The error that says why the command cannot do what it was asked for. Its text is the problem, followed by the remedy
/// if there is one; the command prints it and ends with status 2.
class LaunchError : public std::runtime_error {
 public:
  explicit LaunchError(std::string problem, std::string remedy = "")
      : std::runtime_error(remedy.empty() ? problem : problem + "; " + remedy),
        problem_(std::move(problem)),
        remedy_(std::move(remedy)) {}

  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] const std::string& remedy() const { return remedy_; }

 private:
  std::string problem_;
  std::string remedy_;
};

}  // namespace joblib_mpi::launch
