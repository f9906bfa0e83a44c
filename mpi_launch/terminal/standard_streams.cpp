#include "terminal/standard_streams.hpp"

#include <array>
#include <cstddef>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace joblib_mpi::launch {

pid_t process_behind(const Descriptor& connection) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

void send_standard_streams(const Descriptor& connection) {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    const std::array number{static_cast<std::byte>(stream)};
    if (fcntl(stream, F_GETFD) >= 0) send_message(connection, number, stream, true);
  }
  shutdown(connection.get(), SHUT_WR);  // closing it might not be enough: children of this process may have it, too
}

void take_standard_streams(const Descriptor& connection) {
  std::array<std::byte, 1> number{};
  while (const auto received = receive_message(connection, number, true)) {
    if (received->bytes == 0) return;
    if (received->descriptor.open()) dup2(received->descriptor.get(), std::to_integer<int>(number[0]));
  }
}

}  // namespace joblib_mpi::launch
