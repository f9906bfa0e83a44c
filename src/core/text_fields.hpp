#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <cstdint>
#include <string>

namespace joblib_mpi {

/// Writes a text behind its length in bytes.
inline void write_text(PayloadWriter& writer, const std::string& text) {
  writer.write(static_cast<std::uint64_t>(text.size()));
  writer.write_bytes(text.data(), text.size());
}

/// Reads what `write_text` has written. Throws SerializationError.
[[nodiscard]] inline std::string read_text(PayloadReader& reader) {
  const ByteView text = reader.read_bytes(reader.read<std::uint64_t>());
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

}  // namespace joblib_mpi
