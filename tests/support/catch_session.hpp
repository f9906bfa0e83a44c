#pragma once

#include <string>

namespace joblib_mpi::test {

/// Runs the program's test cases that the command line selects; returns the number of failures, at most 255.
int run_test_cases(int argc, char** argv);

/// Returns the name of the running test case, for the report of a program that is ended from outside.
[[nodiscard]] const std::string& running_test_case();

}  // namespace joblib_mpi::test
