#include "core/spill_place.hpp"

#include "core/text_fields.hpp"

namespace joblib_mpi {

Bytes encode(const SpillPlace& place) {
  Payload payload;
  PayloadWriter writer(payload);
  write_text(writer, place.folder);
  write_text(writer, place.token);
  write_text(writer, place.compression);
  writer.write(place.rank);
  write_text(writer, place.refusal);
  return copy_of(payload.head);
}

SpillPlace decode_spill_place(ByteView bytes) {
  PayloadReader reader(bytes, {});
  SpillPlace place;
  place.folder = read_text(reader);
  place.token = read_text(reader);
  place.compression = read_text(reader);
  place.rank = reader.read<int>();
  place.refusal = read_text(reader);
  return place;
}

}  // namespace joblib_mpi
