// Handles of result files, and the files. The first byte is the size of the handle without its path; the file follows
// it. The path leads to a file in memory, and the hash of its beginning is right, as a rank's that means harm.

#include "core/spill_place.hpp"
#include "files/guarded_folder.hpp"
#include "fuzz/fuzz_target.hpp"
#include "spill/result_file.hpp"
#include "spill/result_handle.hpp"
#include "support/bytes.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <cstring>
#include <span>
#include <utility>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Lays out nothing; compressed files, which need HDF5, are read back as their bytes.
class BytesFormat final : public ResultFormat {
 public:
  [[nodiscard]] ResultStructure lay_out(const ResultContent&) const override { return {}; }
  [[nodiscard]] Bytes compress(const ResultContent&, const Payload&, const std::string&) const override { return {}; }
  [[nodiscard]] Payload decompress(ByteView file) const override { return {copy_of(file), {}}; }
  [[nodiscard]] Bytes index(const std::vector<IndexEntry>&) const override { return {}; }
  void require_compression(const std::string&) const override {}
};

Bytes seed(bool compressed) {
  ResultHandle handle;
  const Bytes file = bytes(std::string(64, 's') + "the head" + std::string(56, ' ') + std::string(64, 'a'));
  handle.file_bytes = file.size();
  handle.structure_bytes = compressed ? file.size() : 64;
  handle.compressed = compressed;
  if (!compressed) handle.head = {64, 8};
  if (!compressed) handle.parts = {{128, 40}, {128, 0}, {168, 24}};
  const Bytes encoded = encode(handle);
  Bytes input{static_cast<std::byte>(encoded.size())};
  input.insert(input.end(), encoded.begin(), encoded.end());
  input.insert(input.end(), file.begin(), file.end());
  return input;
}

void open_file(const ResultHandle& decoded, ByteView content) {
  static const TemporaryFolder folder;
  ResultHandle handle = decoded;
  handle.path = (folder / "result.h5").string();
  GuardedFolder(folder / "", Guard::own).create("result.h5").write_at(0, content);
  if (handle.structure_bytes <= content.size()) {
    handle.structure_hash = content_hash(content.first(static_cast<std::size_t>(handle.structure_bytes)));
  }
  try {
    touch(open_result(handle, BytesFormat()));
  } catch (const SpillError&) {  // the file and the handle do not match
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ProcessorTimeLimit limit;
  const ByteView input = std::as_bytes(std::span(data, size));
  try {
    (void)decode_spill_place(input);
  } catch (const SerializationError&) {  // the bytes are no place
  }
  if (size < 1 || size - 1 < data[0]) return 0;
  try {
    open_file(decode_result_handle(input.subspan(1, data[0])), input.subspan(1 + std::size_t{data[0]}));
  } catch (const SerializationError&) {  // the bytes are no handle
  }
  return 0;
}

std::vector<Bytes> joblib_mpi::test::fuzz_seeds() {
  return {seed(false), seed(true), encode(SpillPlace{"/folder", "/folder/lock", "gzip:6", 3})};
}
