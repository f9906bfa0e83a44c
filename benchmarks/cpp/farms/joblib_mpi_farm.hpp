#pragma once

#include "farm.hpp"
#include <joblib_mpi/joblib_mpi.hpp>

#include <cstdlib>
#include <ranges>
#include <string>

/// `joblib_mpi::Parallel`, in a session of its own.
class JoblibMpiFarm final : public Farm {
 public:
  /// `tasks_per_message` is the value of JOBLIB_MPI_TASKS_PER_MESSAGE, which each rank reads when its session is made;
  /// null for what it is by default.
  JoblibMpiFarm(std::string name, MPI_Comm communicator, const char* tasks_per_message)
      : Farm(std::move(name)), session_(session_with(communicator, tasks_per_message)) {}

  std::vector<std::uint32_t> run(std::span<const std::uint32_t> tasks) override {
    std::vector<std::uint32_t> results;
    session_.run([&] {
      results = joblib_mpi::Parallel()(
          tasks | std::views::transform([](std::uint32_t turns) { return joblib_mpi::delayed<work>(turns); }));
    });
    return results;
  }

 private:
  static joblib_mpi::MpiSession session_with(MPI_Comm communicator, const char* tasks_per_message) {
    constexpr const char* variable = "JOBLIB_MPI_TASKS_PER_MESSAGE";
    tasks_per_message == nullptr ? unsetenv(variable) : setenv(variable, tasks_per_message, 1);
    return joblib_mpi::MpiSession(communicator);
  }

  joblib_mpi::MpiSession session_;
};
