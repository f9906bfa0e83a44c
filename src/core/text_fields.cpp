#include "core/text_fields.hpp"

#include <cstdint>

namespace joblib_mpi {

void write_text(PayloadWriter& writer, const std::string& text) {
  writer.write(static_cast<std::uint64_t>(text.size()));
  writer.write_bytes(text.data(), text.size());
}

std::string read_text(PayloadReader& reader) {
  const ByteView text = reader.read_bytes(reader.read<std::uint64_t>());
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

}  // namespace joblib_mpi
