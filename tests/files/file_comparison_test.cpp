#include "files/file_comparison.hpp"

#include "files/durable_file.hpp"
#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t file_bytes = 100'000;

/// Writes into the file at `path`, which `flags` of open(2) may create.
void write_at(const fs::path& path, int flags, std::uint64_t offset, const Bytes& bytes) {
  DurableFile(path, open(path.c_str(), O_WRONLY | flags, 0600)).write_at(offset, bytes);
}

std::string make_file(const fs::path& path, unsigned seed = 1) {
  write_at(path, O_CREAT | O_TRUNC, 0, pattern(file_bytes, seed));
  return fs::canonical(path).string();
}

/// Returns the identity as a worker on another kernel gets it.
FileIdentity from_elsewhere(FileIdentity identity) {
  identity.boot_id = "another kernel";
  identity.device += 1;
  return identity;
}

}  // namespace

TEST_CASE("on one kernel a file is the same by its numbers, even after its content has changed") {
  const TemporaryFolder folder;
  const std::string path = make_file(folder / "data");
  for (const FileUse use : {FileUse::reading, FileUse::writing}) {
    const FileIdentity identity = identify_file(path, use, "");
    CHECK_FALSE(why_not_the_file(identity));
    write_at(path, 0, 7, pattern(10, 5));
    CHECK_FALSE(why_not_the_file(identity));
  }
}

TEST_CASE("a file that was replaced, removed, or is none is refused") {
  const TemporaryFolder folder;
  const std::string path = make_file(folder / "data");
  const FileIdentity identity = identify_file(path, FileUse::reading, "");
  const std::string copy = make_file(folder / "copy");
  fs::rename(copy, path);
  CHECK(why_not_the_file(identity).value_or("") == "another file is there");
  fs::remove(path);
  CHECK(why_not_the_file(identity).value_or("") == "it cannot be opened there: No such file or directory");
  fs::create_directory(path);
  CHECK(why_not_the_file(identity).value_or("") == "it is no regular file there");
  fs::remove(path);
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  CHECK(why_not_the_file(identity).value_or("") == "it is no regular file there");
  fs::remove(path);
  fs::create_symlink(make_file(folder / "copy"), path);
  CHECK(why_not_the_file(identity));
}

TEST_CASE("from another host an unchanged file may be read without a mark, but not written") {
  const TemporaryFolder folder;
  const std::string path = make_file(folder / "data");
  CHECK_FALSE(why_not_the_file(from_elsewhere(identify_file(path, FileUse::reading, ""))));
  CHECK(why_not_the_file(from_elsewhere(identify_file(path, FileUse::writing, ""))).value_or("") ==
        "nothing shows that the file there is the same one");
}

TEST_CASE("from another host a file with other content, times, size or numbers is refused") {
  const TemporaryFolder folder;
  const std::string path = make_file(folder / "data");
  const FileIdentity identity = from_elsewhere(identify_file(path, FileUse::reading, ""));
  REQUIRE_FALSE(why_not_the_file(identity));
  FileIdentity other = identity;
  other.samples[0] ^= std::byte{1};
  CHECK(why_not_the_file(other));
  other = identity;
  other.modified_ns += 1;
  CHECK(why_not_the_file(other));
  other = identity;
  other.status_changed_ns += 1;
  CHECK(why_not_the_file(other));
  other = identity;
  other.bytes += 1;
  CHECK(why_not_the_file(other).value_or("") == "another file is there");
  other = identity;
  other.inode += 1;
  CHECK(why_not_the_file(other).value_or("") == "another file is there");
}

TEST_CASE("from another host a mark beside the file shows that it may be read") {
  const TemporaryFolder folder;
  const std::string path = make_file(folder / "data");
  make_file(folder / "mark");
  FileIdentity identity = from_elsewhere(identify_file(path, FileUse::reading, "mark"));
  identity.modified_ns += 1;
  CHECK_FALSE(why_not_the_file(identity));
  identity.mark = "no such mark";
  CHECK(why_not_the_file(identity));
}

TEST_CASE("several hosts may write only where their mappings are coherent") {
  const TemporaryFolder folder;
  const std::string path = make_file(folder / "data");
  make_file(folder / "mark");
  const auto reason = why_not_the_file(from_elsewhere(identify_file(path, FileUse::writing, "mark")));
  CHECK(reason.value_or("").find("several hosts write to one mapped file") != std::string::npos);
  CHECK(has_coherent_mappings(0x0bd00bd0));    // Lustre
  CHECK_FALSE(has_coherent_mappings(0x6969));  // NFS
  CHECK_FALSE(has_coherent_mappings(0xef53));  // ext4
}

TEST_CASE("files of every size are compared without a change to them") {
  const TemporaryFolder folder;
  for (const std::size_t size : {0, 1, 4096, 4097, 20'000}) {
    const fs::path path = folder / "data";
    std::ofstream(path) << std::string(size, 'x');
    const FileIdentity identity = from_elsewhere(identify_file(fs::canonical(path).string(), FileUse::reading, ""));
    CHECK_FALSE(why_not_the_file(identity));
    CHECK(fs::file_size(path) == size);
  }
}

TEST_CASE("an identity arrives as it was sent") {
  FileIdentity identity{"/data/x", FileUse::writing, "boot", 1, 2, 3, -4, 5, 6, {}, "mark"};
  identity.samples[3] = std::byte{9};
  CHECK(decode_file_identity(encode(identity)) == identity);
}
