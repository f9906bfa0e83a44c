#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <exception>
#include <string>

namespace joblib_mpi {

/// Describes the exception that is being handled: its type, what() and the function of the task.
/// To be called inside a catch block.
void save_current_exception(PayloadWriter& writer, const std::string& function);

/// The exception as one of this process: its own type where that is registered, otherwise TaskError.
[[nodiscard]] std::exception_ptr load_exception(PayloadReader& reader, int rank, const std::string& host);

}  // namespace joblib_mpi
