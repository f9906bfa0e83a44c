#include "spill/result_handle.hpp"

namespace joblib_mpi {

Bytes encode(const ResultHandle& handle) {
  Payload payload;
  PayloadWriter writer(payload);
  writer.write(static_cast<std::uint64_t>(handle.path.size()));
  writer.write_bytes(handle.path.data(), handle.path.size());
  writer.write(handle.file_bytes);
  writer.write(handle.structure_bytes);
  writer.write(handle.structure_hash);
  writer.write(handle.compressed);
  writer.write(handle.head);
  for (const ResultHandle::Extent& part : handle.parts) writer.write(part);
  return copy_of(payload.head);
}

ResultHandle decode_result_handle(ByteView bytes) {
  PayloadReader reader(bytes, {});
  ResultHandle handle;
  const ByteView path = reader.read_bytes(reader.read<std::uint64_t>());
  handle.path.assign(reinterpret_cast<const char*>(path.data()), path.size());
  handle.file_bytes = reader.read<std::uint64_t>();
  handle.structure_bytes = reader.read<std::uint64_t>();
  handle.structure_hash = reader.read<ContentHash>();
  handle.compressed = reader.read<bool>();
  handle.head = reader.read<ResultHandle::Extent>();
  while (reader.remaining_bytes() > 0) handle.parts.push_back(reader.read<ResultHandle::Extent>());
  return handle;
}

}  // namespace joblib_mpi
