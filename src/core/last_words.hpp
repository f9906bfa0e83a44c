#pragma once

#include <string>
#include <sys/types.h>

namespace joblib_mpi {

/// Has a text written to stderr if this process ends while the object lives: by a child that waits for that, so that no
/// way to end it is too sudden.
class LastWords {
 public:
  explicit LastWords(std::string text);
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;
  /// Nothing is to be said any more.
  ~LastWords();

 private:
  int alive_ = -1;  // an end of a pipe that closes with this process
  pid_t child_ = -1;
};

}  // namespace joblib_mpi
