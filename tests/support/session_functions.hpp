#pragma once

#include <mpi.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace joblib_mpi::test {

// Functions that the session tests run as tasks.

inline int square(int value) {
  return static_cast<int>(static_cast<unsigned>(value) * static_cast<unsigned>(value));  // may wrap
}
inline int refuse_7(int value) {
  if (value == 7) throw std::domain_error("7 is not allowed");
  return value;
}
inline double total(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}
inline int own_world_rank(int) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

}  // namespace joblib_mpi::test
