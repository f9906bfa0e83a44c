#include "files/guarded_folder.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include "support/file_mode.hpp"
#include "support/temporary_folder.hpp"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
namespace fs = std::filesystem;

namespace {

constexpr uid_t another_user = 65534;

void make_file(const fs::path& path, mode_t mode = 0600) {
  std::ofstream(path) << "content";
  REQUIRE(chmod(path.c_str(), mode) == 0);
}

void make_socket(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  close(listener);
}

std::string content_of(const DurableFile& file) {
  return text(file.read_at(0, 100));
}

}  // namespace

TEST_CASE("a guarded folder that was made keeps other users out, and has its files where it was opened") {
  const TemporaryFolder parent;
  const fs::path path = parent / "folder";
  const GuardedFolder folder = GuardedFolder::make(path, Guard::own);
  CHECK(mode_of(path) == 0700);
  {
    DurableFile file = folder.create("file");
    file.write_at(0, bytes("written"));
  }
  CHECK((mode_of(path / "file") & 022U) == 0);
  fs::rename(path, parent / "moved");
  fs::create_directory(path);
  make_file(path / "file");
  CHECK_FALSE(folder.is_at_its_path());
  CHECK(content_of(folder.open("file", O_RDONLY)) == "written");
  folder.move("file", path / "renamed");
  CHECK(folder.names() == std::vector<std::string>{"renamed"});
  CHECK(folder.contains("renamed"));
  folder.remove("renamed");
  CHECK(folder.names().empty());
  CHECK(fs::exists(path / "file"));
}

TEST_CASE("a file that is created replaces what has its name and follows no link") {
  const TemporaryFolder parent;
  make_file(parent / "precious");
  fs::create_symlink(parent / "precious", parent / "file");
  const GuardedFolder folder(parent / ".", Guard::own);
  folder.create("file").write_at(0, bytes("new"));
  CHECK(content_of(folder.open("file", O_RDONLY)) == "new");
  CHECK(content_of(folder.open("precious", O_RDONLY)) == "content");
}

TEST_CASE("only regular files are opened, at once and never through a link") {
  const TemporaryFolder parent;
  make_file(parent / "precious");
  fs::create_symlink(parent / "precious", parent / "link");
  fs::create_symlink("/dev/zero", parent / "endless");
  fs::create_directory(parent / "folder");
  REQUIRE(mkfifo((parent / "pipe").c_str(), 0600) == 0);
  make_socket(parent / "socket");
  const Guard guard = GENERATE(Guard::own, Guard::shared);
  const GuardedFolder folder(parent / ".", guard);
  for (const std::string name : {"link", "endless", "folder", "pipe", "socket", "missing"}) {
    for (const int flags : {O_RDONLY, O_RDWR}) {
      CAPTURE(name, flags);
      const std::string error = error_text<FileError>([&] { (void)folder.open(name, flags); });
      CHECK_THAT(error, contains(name));
      CHECK(error == error_text<FileError>([&] { (void)open_guarded(parent / "." / name, flags, guard); }));
    }
  }
  CHECK_THAT(error_text<FileError>([&] { (void)folder.open("link", O_RDWR); }), contains("symbolic link"));
  CHECK_THAT(error_text<FileError>([&] { (void)folder.open("pipe", O_RDWR); }), contains("not a regular file"));
}

TEST_CASE("a folder is not reached through a link, and nothing else is a folder") {
  const TemporaryFolder parent;
  fs::create_directory(parent / "folder");
  fs::create_symlink(parent / "folder", parent / "link");
  make_file(parent / "file");
  for (const std::string name : {"link", "file"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(GuardedFolder(parent / name, Guard::shared), FileError);
    CHECK_THROWS_AS(GuardedFolder::make(parent / name, Guard::own), FileError);
  }
}

TEST_CASE("what other users may write to is refused unless it is shared") {
  const TemporaryFolder parent;
  fs::create_directory(parent / "folder");
  const mode_t mode = GENERATE(mode_t{0620}, mode_t{0602}, mode_t{0666});
  CAPTURE(mode);
  make_file(parent / "file", mode);
  CHECK_THROWS_AS(open_guarded(parent / "file", O_RDONLY, Guard::own), UntrustedFileError);
  CHECK(content_of(open_guarded(parent / "file", O_RDONLY, Guard::shared)) == "content");
  REQUIRE(chmod((parent / "folder").c_str(), mode | 0111U) == 0);
  CHECK_THROWS_AS(GuardedFolder(parent / "folder", Guard::own), UntrustedFileError);
  CHECK_NOTHROW(GuardedFolder(parent / "folder", Guard::shared));
}

TEST_CASE("the files of root are taken, those of another user only if they are shared") {
  CHECK_NOTHROW(open_guarded("/etc/passwd", O_RDONLY, Guard::own));
  if (geteuid() != 0) return;  // only root can make another user's file
  const TemporaryFolder parent;
  make_file(parent / "file");
  fs::create_directory(parent / "folder");
  for (const std::string name : {"file", "folder"}) REQUIRE(chown((parent / name).c_str(), another_user, 0) == 0);
  CHECK_THAT(error_text<UntrustedFileError>([&] { (void)open_guarded(parent / "file", O_RDONLY, Guard::own); }),
             contains("65534"));
  CHECK_THROWS_AS(GuardedFolder(parent / "folder", Guard::own), UntrustedFileError);
  CHECK_THROWS_AS(GuardedFolder::make(parent / "folder", Guard::own), UntrustedFileError);
  CHECK_NOTHROW(open_guarded(parent / "file", O_RDONLY, Guard::shared));
}
