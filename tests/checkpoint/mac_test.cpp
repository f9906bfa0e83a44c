#include "checkpoint/mac.hpp"

#include "checkpoint/journal_on_disk.hpp"
#include "checkpoint/mac_key.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <array>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

namespace fs = std::filesystem;

Mac mac_of(const MacKey& key, const std::string& text) {
  const Bytes content = bytes(text);
  return key.mac_of(std::array{ByteView(content)});
}

std::string hexadecimal(const Mac& mac) {
  std::string digits;
  for (const std::byte byte : mac) {
    for (const unsigned half : {std::to_integer<unsigned>(byte) >> 4U, std::to_integer<unsigned>(byte) & 15U}) {
      digits += "0123456789abcdef"[half];
    }
  }
  return digits;
}

fs::path home_of(const TemporaryFolder& folder) {
  return folder / "";
}

std::string refusal(const std::optional<std::string>& variable, const fs::path& home) {
  return error_text<CheckpointError>([&] { (void)load_mac_key(variable, home); });
}

}  // namespace

TEST_CASE("a message authentication code is that of RFC 4231") {
  const MacKey key(bytes("Jefe"));
  CHECK(hexadecimal(mac_of(key, "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const Bytes first = bytes("what do ya want ");
  const Bytes second = bytes("for nothing?");
  CHECK(
      is_equal(key.mac_of(std::array{ByteView(first), ByteView(second)}), mac_of(key, "what do ya want for nothing?")));
  CHECK_FALSE(is_equal(mac_of(key, "a"), mac_of(key, "b")));
  CHECK_FALSE(is_equal(mac_of(key, "a"), mac_of(MacKey(bytes("Jeff")), "a")));
}

TEST_CASE("a key file is made once, for its owner alone") {
  const TemporaryFolder home;
  const Mac first = mac_of(load_mac_key({}, home_of(home)), "text");
  struct stat status {};
  REQUIRE(stat((home / ".joblib_mpi_key").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777U) == 0600U);
  CHECK(is_equal(mac_of(load_mac_key({}, home_of(home)), "text"), first));
  CHECK(std::distance(fs::directory_iterator(home_of(home)), {}) == 1);
  const TemporaryFolder other_home;
  CHECK_FALSE(is_equal(mac_of(load_mac_key({}, home_of(other_home)), "text"), first));
}

TEST_CASE("the variable takes precedence over the file, and a line end does not count") {
  const TemporaryFolder home;
  const std::string key = "0123456789abcdef";
  CHECK(is_equal(mac_of(load_mac_key(key, home_of(home)), "text"), mac_of(MacKey(bytes(key)), "text")));
  CHECK_FALSE(fs::exists(home / ".joblib_mpi_key"));
  write_all(home / ".joblib_mpi_key", key + "\n");
  REQUIRE(chmod((home / ".joblib_mpi_key").c_str(), 0400) == 0);
  CHECK(is_equal(mac_of(load_mac_key({}, home_of(home)), "text"), mac_of(MacKey(bytes(key)), "text")));
}

TEST_CASE("a key that is no secret is refused") {
  const TemporaryFolder home;
  const fs::path file = home / ".joblib_mpi_key";
  CHECK_THAT(refusal("short", home_of(home)), contains("JOBLIB_MPI_KEY has 5 bytes") && contains("at least 16"));
  CHECK_THAT(refusal("", home_of(home)), contains("JOBLIB_MPI_KEY has 0 bytes"));
  CHECK_THAT(refusal({}, home / "missing"), contains("cannot be made") && contains("No such file"));
  write_all(file, "0123456789abcdef");
  REQUIRE(chmod(file.c_str(), 0640) == 0);
  CHECK_THAT(refusal({}, home_of(home)), contains(file.string()) && contains("other users may read it"));
  REQUIRE(chmod(file.c_str(), 0602) == 0);
  CHECK_THAT(refusal({}, home_of(home)), contains("may be changed by other users") && contains("JOBLIB_MPI_KEY"));
  write_all(file, "");
  REQUIRE(chmod(file.c_str(), 0600) == 0);
  CHECK_THAT(refusal({}, home_of(home)), contains(file.string()) && contains("has 0 bytes"));
  fs::rename(file, home / "elsewhere");
  fs::create_symlink(home / "elsewhere", file);
  CHECK_THAT(refusal({}, home_of(home)), contains("symbolic link"));
}
