#pragma once

#include <string>

namespace joblib_mpi::test {

/// Runs the program's test cases as the command line asks; returns the number of failures, at most 255.
int run_test_cases(int argc, char** argv);

/// The name of the test case that runs, for a program that is ended from outside.
[[nodiscard]] const std::string& running_test_case();

}  // namespace joblib_mpi::test
