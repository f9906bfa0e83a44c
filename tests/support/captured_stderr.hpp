#pragma once

#include <cstdio>
#include <string>
#include <unistd.h>

namespace joblib_mpi::test {

/// Returns the text that `function` prints on stderr.
template <class Function>
[[nodiscard]] std::string captured_stderr(Function&& function) {
  std::fflush(stderr);
  std::FILE* file = std::tmpfile();
  const int terminal = dup(STDERR_FILENO);
  dup2(fileno(file), STDERR_FILENO);
  function();
  std::fflush(stderr);
  dup2(terminal, STDERR_FILENO);
  close(terminal);
  std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

}  // namespace joblib_mpi::test
