#pragma once

#include <string>
#include <sys/types.h>

namespace joblib_mpi {

/// Prints a text on stderr if this process ends while the object lives. A child process waits for that, so that even
/// SIGKILL is noticed.
class LastWords {
 public:
  explicit LastWords(std::string text);
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;
  /// Cancels the text and ends the child process.
  ~LastWords();

 private:
  int alive_ = -1;  // an end of a pipe that closes with this process
  pid_t child_ = -1;
};

}  // namespace joblib_mpi
