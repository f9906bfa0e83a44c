#include "segments/node_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace joblib_mpi {
namespace {

struct Address {
  sockaddr_un value{};
  socklen_t bytes;

  explicit Address(std::string_view name) {
    value.sun_family = AF_UNIX;
    const std::size_t size = std::min(name.size(), sizeof value.sun_path - 1);
    std::memcpy(value.sun_path + 1, name.data(), size);  // after the zero byte that makes the name abstract
    bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + size);
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&value); }
};

Descriptor make_socket() {
  return Descriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

}  // namespace

bool is_own_user(const Descriptor& connection) noexcept {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

std::optional<NodeSocket> NodeSocket::listen(std::string_view name) {
  Descriptor socket = make_socket();
  const Address address(name);
  if (!socket.open() || bind(socket.get(), address.get(), address.bytes) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0) {
    return std::nullopt;
  }
  return NodeSocket(std::move(socket));
}

Descriptor NodeSocket::connect(std::string_view name) {
  Descriptor socket = make_socket();
  const Address address(name);
  // Without waiting: where other users' connections fill the queue, a connection would wait for their end.
  if (!socket.open() || fcntl(socket.get(), F_SETFL, O_NONBLOCK) != 0 ||
      ::connect(socket.get(), address.get(), address.bytes) != 0 || !is_own_user(socket) ||
      fcntl(socket.get(), F_SETFL, 0) != 0) {
    return {};
  }
  return socket;
}

std::vector<Descriptor> NodeSocket::accept_all() const {
  std::vector<Descriptor> connections;
  fcntl(socket_.get(), F_SETFL, O_NONBLOCK);  // only for this socket: connections do not inherit it
  for (int i = 0; i <= SOMAXCONN; ++i) {      // the queue holds no more, however many other users go on connecting
    Descriptor connection(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.open()) {
      if (is_own_user(connection)) connections.push_back(std::move(connection));
    } else if (errno != EINTR) {
      break;
    }
  }
  return connections;
}

}  // namespace joblib_mpi
