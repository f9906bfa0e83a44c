#pragma once

namespace joblib_mpi::test {

/// Runs the program's test cases as the command line asks; returns the number of failures, at most 255.
int run_test_cases(int argc, char** argv);

}  // namespace joblib_mpi::test
