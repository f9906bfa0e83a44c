#include "mpi/mpi_check.hpp"

#include <joblib_mpi/error.hpp>

#include <array>
#include <string>

namespace joblib_mpi {

void check_mpi(int code, const char* operation) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw MpiError(std::string(operation) + " failed: " + std::string(text.data(), static_cast<std::size_t>(length)));
}

}  // namespace joblib_mpi
