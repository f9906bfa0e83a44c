#include "spill/result_file.hpp"

#include "spill/hdf5_result_format.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/resource_limit.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <bit>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <utility>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
namespace fs = std::filesystem;

namespace {

struct Result {
  ResultContent content;
  Payload payload;

  explicit Result(const std::string& head = "the head") {
    content.attributes = {"fit_fold", 17, 3, 0.25};
    payload.head = bytes(head);
    content.head_bytes = head.size();
  }
  void add(ArrayLayout layout, Bytes array) {
    content.arrays.push_back({std::move(layout), array.size()});
    payload.parts.emplace_back(std::move(array));
  }
};

/// Returns a result with all kinds of numpy arrays and some that are invalid.
Result all_kinds() {
  Result result;
  result.add({"<f8", {100, 70}}, pattern(100 * 70 * 8, 1));
  result.add({"<f8", {}}, pattern(8, 2));
  result.add({"<f4", {0}}, {});
  result.add({"<f4", {3, 0, 5}}, {});
  result.add({">i4", {11}}, pattern(44, 3));
  result.add({"|b1", {5}}, Bytes(5, std::byte{1}));
  result.add({"<c16", {7}}, pattern(7 * 16, 4));
  result.add({">c8", {7}}, pattern(7 * 8, 5));
  result.add({"<f8", {4, 6}, true}, pattern(4 * 6 * 8, 6));
  result.add({"|S5", {9}}, pattern(45, 7));
  result.add({"<U3", {9}}, pattern(9 * 12, 8));
  result.add({"<M8[ns]", {9}}, pattern(72, 9));
  result.add({"<m8[25s]", {9}}, pattern(72, 10));
  result.add({"<f2", {9}}, pattern(18, 11));
  result.add({"<f16", {9}}, pattern(144, 12));
  result.add({"<c32", {3}}, pattern(96, 13));
  result.add({"|V7", {4}}, pattern(28, 14));
  result.add({"[('x', '<i4'), ('', '|V4'), ('y', '<c16', (3, 2)), ('z', [('a', '|u1'), ('b', '|b1')], (2,))]", {5}},
             pattern(108 * 5, 15));
  result.add({"[('x', '<i4'), ('s', '|S0')]", {5}}, pattern(20, 16));  // h5py has no strings of length 0
  result.add({"|O", {5}}, pattern(40, 17));
  result.add({"nonsense", {5}}, pattern(5, 18));
  result.add({"<f8", {5}}, pattern(39, 19));  // one byte is missing
  result.add({"", {}}, pattern(70'000, 20));
  result.add({"<u2", std::vector<std::uint64_t>(33, 1)}, pattern(2, 21));
  result.add({"<u1", {2}}, pattern(2, 22));
  return result;
}

const Hdf5ResultFormat format;

bool same(const Payload& a, const Payload& b) {
  return same_bytes(a.packed(), b.packed()) &&
         std::ranges::equal(a.parts, b.parts, [](const SharedBytes& one, const SharedBytes& other) {
           return same_bytes(one.view(), other.view());
         });
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

std::string refusal(const ResultHandle& handle) {
  return error_text<SpillError>([&] { (void)open_result(handle, format); });
}

/// Returns the bytes of this process that count for RLIMIT_DATA.
rlim_t data_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmData:")) return std::stoull(line.substr(7)) * 1024;
  }
  throw std::runtime_error("/proc/self/status does not tell VmData");
}

/// A limit on the size of files during the life of the object, as on a disk that becomes full during a write.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : limit_(bytes) { std::signal(SIGXFSZ, SIG_IGN); }

 private:
  ResourceLimit<RLIMIT_FSIZE> limit_;
};

}  // namespace

TEST_CASE("a result of every kind of array comes back bit for bit, mapped or compressed") {
  const TemporaryFolder folder;
  const Result result = all_kinds();
  for (const std::string compression : {"", "gzip", "gzip:1"}) {
    INFO(compression);
    const fs::path path = folder / "result.h5";
    const ResultHandle handle =
        decode_result_handle(encode(write_result(path, format, result.content, result.payload, compression)));
    CHECK(handle.path == path);
    CHECK(fs::file_size(path) == handle.file_bytes);
    const Payload opened = open_result(handle, format);
    CHECK(opened.on_disk);
    CHECK(same(opened, result.payload));
    fs::remove(path);
    CHECK(same(opened, result.payload));  // the mapped pages stay valid
  }
}

TEST_CASE("what is written to the memory of a result never gets into its file") {
  const TemporaryFolder folder;
  const Result result = all_kinds();
  const ResultHandle handle = write_result(folder / "result.h5", format, result.content, result.payload, "");
  const std::string before = content_of(handle.path);
  const Payload opened = open_result(handle, format);
  REQUIRE_FALSE(opened.read_only);
  for (const SharedBytes& part : opened.parts) {
    const ByteView view = part.view();
    std::fill_n(const_cast<std::byte*>(view.data()), view.size(), std::byte{0xab});
    CHECK(has_only(view, '\xab'));
  }
  CHECK(content_of(handle.path) == before);
  CHECK(same(open_result(handle, format), result.payload));
}

TEST_CASE("a result is mapped for reading where no memory is promised for changes") {
  const TemporaryFolder folder;
  Result result;
  result.add({}, Bytes(std::size_t{64} << 20));
  const ResultHandle handle = write_result(folder / "result.h5", format, result.content, result.payload, "");
  rlimit before{};
  getrlimit(RLIMIT_DATA, &before);
  const rlimit little{data_bytes() + (rlim_t{16} << 20), before.rlim_max};
  setrlimit(RLIMIT_DATA, &little);
  const Payload opened = open_result(handle, format);
  setrlimit(RLIMIT_DATA, &before);
  CHECK(opened.read_only);
  CHECK(same(opened, result.payload));
}

TEST_CASE("mapped arrays are aligned for every type") {
  const TemporaryFolder folder;
  const Result result = all_kinds();
  const Payload opened =
      open_result(write_result(folder / "result.h5", format, result.content, result.payload, ""), format);
  for (const SharedBytes& part : opened.parts) CHECK(std::bit_cast<std::uintptr_t>(part.view().data()) % 64 == 0);
}

TEST_CASE("NaNs keep their payload") {
  const TemporaryFolder folder;
  Result result;
  const std::uint64_t signalling[] = {0x7ff0'dead'beef'0001, 0xfff8'0000'0000'1234};
  result.add({"<f8", {2}}, copy_of(std::as_bytes(std::span(signalling))));
  for (const std::string compression : {"", "gzip"}) {
    const auto handle = write_result(folder / "result.h5", format, result.content, result.payload, compression);
    CHECK(same(open_result(handle, format), result.payload));
  }
}

TEST_CASE("a result without arrays, and one without anything, come back") {
  const TemporaryFolder folder;
  for (const std::string head : {"only this", ""}) {
    const Result result(head);
    for (const std::string compression : {"", "gzip"}) {
      const auto handle = write_result(folder / "result.h5", format, result.content, result.payload, compression);
      CHECK(same(open_result(handle, format), result.payload));
    }
  }
}

TEST_CASE("a long head comes back from the pages of the file") {
  const TemporaryFolder folder;
  Result result(std::string(min_part_bytes, 'h'));
  result.add({"<u1", {2}}, pattern(2, 22));
  for (const bool is_shared : {false, true}) {
    if (is_shared) result.payload.share_long_head();
    for (const std::string compression : {"", "gzip"}) {
      const auto handle = write_result(folder / "result.h5", format, result.content, result.payload, compression);
      const Payload read = open_result(handle, format);
      CHECK(same(read, result.payload));
      CHECK(read.long_head.size() == min_part_bytes);
    }
  }
}

TEST_CASE("the structure of a file is small however large its arrays and however long its texts are") {
  Result result;
  result.content.attributes.function = std::string(100'000, 'f');
  std::string fields;
  for (int field = 0; field < 100; ++field) fields += "('field_" + std::to_string(field) + "', '<c16', (2, 3)), ";
  for (int array = 0; array < 20; ++array) {
    result.content.arrays.push_back({{"<f8", {std::uint64_t{1} << 37}}, std::uint64_t{1} << 40});
    result.content.arrays.push_back({{"[" + fields + "]", {1}}, 9600});
    result.content.arrays.push_back({{"<q" + std::string(100'000, ' '), {1}}, 9600});
  }
  const ResultStructure structure = format.lay_out(result.content);
  CHECK(structure.bytes.size() < 10'000'000);
  CHECK(structure.file_bytes > std::uint64_t{20} << 40);
  CHECK(std::ranges::is_sorted(structure.array_offsets));
}

TEST_CASE("a file that is cut short, longer, empty, gone or foreign is refused") {
  const TemporaryFolder folder;
  const Result result = all_kinds();
  for (const std::string compression : {"", "gzip"}) {
    const fs::path path = folder / "result.h5";
    const auto handle = write_result(path, format, result.content, result.payload, compression);
    const std::string good = content_of(path);
    CHECK(refusal(handle) == "(nothing was thrown)");
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{100}, good.size() / 2, good.size() - 1}) {
      overwrite(path, good.substr(0, size));
      CHECK_THAT(refusal(handle), contains("bytes instead of"));
    }
    overwrite(path, good + "x");
    CHECK_THAT(refusal(handle), contains("bytes instead of"));
    overwrite(path, std::string(good.size(), 'x'));
    CHECK_THAT(refusal(handle), contains("has changed since it was written"));
    const Result other("another");
    (void)write_result(path, format, other.content, other.payload, compression);
    CHECK_THAT(refusal(handle), contains("result.h5"));
    fs::remove(path);
    CHECK_THAT(refusal(handle), contains("No such file"));
    fs::create_directory(path);
    CHECK_THAT(refusal(handle), contains("result.h5"));
    fs::remove(path);
  }
}

TEST_CASE("every changed bit of a file's structure is noticed") {
  const TemporaryFolder folder;
  Result result;
  result.add({"<f8", {10}}, pattern(80, 1));
  for (const std::string compression : {"", "gzip"}) {
    const fs::path path = folder / "result.h5";
    const auto handle = write_result(path, format, result.content, result.payload, compression);
    const std::string good = content_of(path);
    for (std::size_t position = 0; position < handle.structure_bytes; position += 7) {
      std::string bad = good;
      bad[position] = static_cast<char>(bad[position] ^ (1 << position % 8));
      overwrite(path, bad);
      if (refusal(handle).find("has changed since it was written") == std::string::npos)
        FAIL("bit in byte " << position);
    }
  }
}

TEST_CASE("a handle that points outside of its file is refused") {
  const TemporaryFolder folder;
  Result result;
  result.add({"<f8", {10}}, pattern(80, 1));
  const auto good = write_result(folder / "result.h5", format, result.content, result.payload, "");
  auto handle = good;
  handle.parts[0].offset = handle.file_bytes - 79;
  CHECK_THAT(refusal(handle), contains("too short"));
  handle = good;
  handle.parts[0].bytes = ~std::uint64_t{0};
  CHECK_THAT(refusal(handle), contains("too short"));
  handle = good;
  handle.head.offset = ~std::uint64_t{0};
  CHECK_THAT(refusal(handle), contains("too short"));
  Bytes encoded = encode(good);
  encoded.resize(encoded.size() - 1);
  CHECK_THROWS_AS(decode_result_handle(encoded), SerializationError);
}

TEST_CASE("a file that cannot be written is removed, and the error says what is needed and free") {
  const TemporaryFolder folder;
  Result result;
  result.add({"<f8", {100'000}}, pattern(800'000, 1));
  const auto failure = [&](const fs::path& path, const std::string& compression = "") {
    return error_text<SpillError>(
        [&] { (void)write_result(path, format, result.content, result.payload, compression); });
  };
  {
    const FileSizeLimit limit(400'000);
    const std::string text = failure(folder / "result.h5");
    CHECK_THAT(text, contains("result.h5"));
    CHECK_THAT(text, contains("bytes are needed"));
    CHECK_THAT(text, contains("are free"));
    CHECK(fs::is_empty(folder / ""));
  }
  {
    const FileSizeLimit limit(1000);
    CHECK_THAT(failure(folder / "result.h5", "gzip"), contains("bytes are needed"));
    CHECK(fs::is_empty(folder / ""));
  }
  CHECK_THAT(failure(folder / "missing" / "result.h5"), contains("No such file"));
  CHECK_THAT(failure("/proc/result.h5"), contains("/proc/result.h5"));
}

TEST_CASE("an unknown compression is refused with those that there are") {
  for (const std::string text : {"zip", "gzip:", "gzip:x", "gzip:10", "gzip:-1", ":"}) {
    INFO(text);
    CHECK_THAT(error_text<UsageError>([&] { format.require_compression(text); }), contains("\"gzip\""));
  }
  CHECK_NOTHROW(format.require_compression("none"));
  CHECK_NOTHROW(format.require_compression("gzip:9"));
}

TEST_CASE("an index of many results is one whole file") {
  std::vector<IndexEntry> entries;
  for (std::uint64_t index = 0; index < 2000; ++index) entries.push_back({index, "result.h5", main_dataset(index % 2)});
  CHECK(format.index(entries).size() > 2000);
  CHECK_FALSE(format.index({}).empty());
}
