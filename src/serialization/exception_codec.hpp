#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <exception>
#include <string>

namespace joblib_mpi {

/// Writes a description of the exception that is being handled: its type, what() and the function of the task. Must be
/// called inside a catch block.
void save_current_exception(PayloadWriter& writer, const std::string& function);

/// Returns the exception as one of this process: with its original type if that is registered here, otherwise as
/// TaskError.
[[nodiscard]] std::exception_ptr load_exception(PayloadReader& reader, int rank, const std::string& host);

}  // namespace joblib_mpi
