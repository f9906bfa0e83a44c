#include "core/file_identity.hpp"

#include "core/text_fields.hpp"

namespace joblib_mpi {

Bytes encode(const FileIdentity& identity) {
  Payload payload;
  PayloadWriter writer(payload);
  write_text(writer, identity.path);
  writer.write(identity.use == FileUse::writing);
  write_text(writer, identity.boot_id);
  writer.write(identity.device);
  writer.write(identity.inode);
  writer.write(identity.bytes);
  writer.write(identity.modified_ns);
  writer.write(identity.status_changed_ns);
  writer.write(identity.seed);
  writer.write(identity.samples);
  write_text(writer, identity.mark);
  return copy_of(payload.head);
}

FileIdentity decode_file_identity(ByteView bytes) {
  PayloadReader reader(bytes, {});
  FileIdentity identity;
  identity.path = read_text(reader);
  identity.use = reader.read<std::uint8_t>() != 0 ? FileUse::writing : FileUse::reading;
  identity.boot_id = read_text(reader);
  identity.device = reader.read<std::uint64_t>();
  identity.inode = reader.read<std::uint64_t>();
  identity.bytes = reader.read<std::uint64_t>();
  identity.modified_ns = reader.read<std::int64_t>();
  identity.status_changed_ns = reader.read<std::int64_t>();
  identity.seed = reader.read<std::uint64_t>();
  identity.samples = reader.read<ContentHash>();
  identity.mark = read_text(reader);
  return identity;
}

}  // namespace joblib_mpi
