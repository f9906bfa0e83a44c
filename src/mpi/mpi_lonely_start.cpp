#include "mpi/mpi_lonely_start.hpp"

#include "core/lonely_start.hpp"
#include "mpi/mpi_check.hpp"
#include <joblib_mpi/error.hpp>

#include <mpi.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

namespace joblib_mpi {
namespace {

/// The time that the first process has to print its message: a launcher may end all processes once one ends. Longer
/// than the differences between the start times of one launch. Chosen, not measured.
constexpr std::chrono::seconds speaker_first{3};

std::optional<std::string> variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

/// Returns "Open MPI v4.1.4" for "Open MPI v4.1.4, package: …". May be called before MPI is initialised.
std::string library_in_words() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int size = 0;
  check_mpi(MPI_Get_library_version(text.data(), &size), "MPI_Get_library_version");
  const std::string all(text.data());
  return all.substr(0, all.find_first_of(",\n"));
}

}  // namespace

std::unique_ptr<LastWords> explain_failing_start() {
  const auto start = lonely_start(variable, library_in_words());
  if (!start || !start->lacks_pmix || !start->is_first) return nullptr;
  return std::make_unique<LastWords>("joblib_mpi: " + start->text + "\n");
}

void refuse_lonely_start() {
  int size = 0;
  check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
  if (size > 1) return;
  const auto start = lonely_start(variable, library_in_words());
  if (!start) return;
  if (start->is_first) throw MpiError(start->text);
  std::this_thread::sleep_for(speaker_first);
  std::_Exit(EXIT_FAILURE);
}

}  // namespace joblib_mpi
