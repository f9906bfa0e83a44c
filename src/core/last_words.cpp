#include "core/last_words.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace joblib_mpi {
namespace {

/// Prints `text` once the parent has ended. Uses only functions that are allowed after a fork in a program with
/// threads.
[[noreturn]] void wait_for_end(int read_end, const char* text, std::size_t size) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::signal(signal, SIG_IGN);  // they are meant for the parent
  char byte = 0;
  ssize_t got = -1;
  do {
    got = read(read_end, &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 0) (void)!write(STDERR_FILENO, text, size);
  _exit(0);
}

}  // namespace

LastWords::LastWords(std::string text) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  child_ = fork();
  if (child_ == 0) {
    close(ends[1]);
    wait_for_end(ends[0], text.data(), text.size());
  }
  close(ends[0]);
  alive_ = ends[1];
}

LastWords::~LastWords() {
  if (alive_ < 0) return;
  (void)!write(alive_, "", 1);
  close(alive_);
  while (child_ > 0 && waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace joblib_mpi
