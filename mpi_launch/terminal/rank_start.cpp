#include "terminal/rank_start.hpp"

#include "segments/node_socket.hpp"
#include "terminal/standard_streams.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <unistd.h>

namespace joblib_mpi::launch {
namespace {

bool is_rank_0() {
  const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
  return rank != nullptr && std::string_view(rank) == "0";
}

}  // namespace

int become_rank(const std::string& name, const std::vector<std::string>& command) {
  std::signal(SIGTTOU, SIG_DFL);  // which mpirun ignores, and rank 0 must not
  if (is_rank_0()) {
    setpgid(0, 0);  // has no effect where mpirun has done it
    const Descriptor connection = NodeSocket::connect(name);
    if (connection.open()) take_standard_streams(connection);
  }
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv.front(), argv.data());
  std::fprintf(stderr, "joblib-mpi: cannot start %s: %s\n", command.front().c_str(), std::strerror(errno));
  return 127;
}

}  // namespace joblib_mpi::launch
