#pragma once

#include <cstdlib>
#include <string>

namespace joblib_mpi::test {

/// Returns how often a test with random input repeats: $JOBLIB_MPI_TEST_ROUNDS, by default once.
inline unsigned rounds() {
  const char* text = std::getenv("JOBLIB_MPI_TEST_ROUNDS");
  return text == nullptr ? 1 : static_cast<unsigned>(std::stoul(text));
}

}  // namespace joblib_mpi::test
