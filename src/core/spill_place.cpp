#include "core/spill_place.hpp"

#include <utility>

namespace joblib_mpi {
namespace {

void write_text(PayloadWriter& writer, const std::string& text) {
  writer.write(static_cast<std::uint64_t>(text.size()));
  writer.write_bytes(text.data(), text.size());
}

std::string read_text(PayloadReader& reader) {
  const ByteView text = reader.read_bytes(reader.read<std::uint64_t>());
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

}  // namespace

Bytes encode(const SpillPlace& place) {
  Payload payload;
  PayloadWriter writer(payload);
  write_text(writer, place.folder);
  write_text(writer, place.token);
  write_text(writer, place.compression);
  writer.write(place.rank);
  return std::move(payload.head);
}

SpillPlace decode_spill_place(ByteView bytes) {
  PayloadReader reader(bytes, {});
  SpillPlace place;
  place.folder = read_text(reader);
  place.token = read_text(reader);
  place.compression = read_text(reader);
  place.rank = reader.read<int>();
  return place;
}

}  // namespace joblib_mpi
