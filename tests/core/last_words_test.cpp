#include "core/last_words.hpp"

#include "support/catch.hpp"

#include <array>
#include <csignal>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

using namespace joblib_mpi;

namespace {

/// Returns what a process that runs `life` writes to stderr, its children included.
std::string left_by(const std::function<void()>& life) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    life();
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 256> piece{};
  for (ssize_t size = 0; (size = read(ends[0], piece.data(), piece.size())) > 0;) {
    text.append(piece.data(), static_cast<std::size_t>(size));
  }
  close(ends[0]);
  waitpid(pid, nullptr, 0);
  return text;
}

}  // namespace

TEST_CASE("last words are written however the process ends") {
  CHECK(left_by([] {
          const LastWords words("farewell\n");
          _exit(3);
        }) == "farewell\n");
  CHECK(left_by([] {
          const LastWords words("farewell\n");
          raise(SIGKILL);
        }) == "farewell\n");
}

TEST_CASE("nothing is written once the object is gone") {
  CHECK(left_by([] {
          { const LastWords words("farewell\n"); }
          raise(SIGKILL);
        }).empty());
}
