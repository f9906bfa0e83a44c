#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <string>

namespace joblib_mpi {

/// Writes a text behind its length in bytes.
void write_text(PayloadWriter& writer, const std::string& text);

/// Reads what `write_text` has written. Throws SerializationError.
[[nodiscard]] std::string read_text(PayloadReader& reader);

}  // namespace joblib_mpi
