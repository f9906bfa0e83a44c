#include "segments/node_socket.hpp"

#include "support/catch.hpp"

#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

using namespace joblib_mpi;

namespace {

std::string new_name() {
  static int count = 0;
  return "joblib-mpi node_socket_test " + std::to_string(getpid()) + " " + std::to_string(++count);
}

/// Calls `bind` or `connect` of a new socket with an abstract name, and returns the socket.
Descriptor socket_at(const std::string& name, int (*call)(int, const sockaddr*, socklen_t)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  REQUIRE(call(socket.get(), reinterpret_cast<const sockaddr*>(&address), bytes) == 0);
  return socket;
}

/// Listens with room for few connections.
Descriptor listen_with_short_queue(const std::string& name) {
  Descriptor socket = socket_at(name, bind);
  REQUIRE(listen(socket.get(), 1) == 0);
  return socket;
}

/// What this process does is done by another user. Only root can become one.
class AsOtherUser {
 public:
  AsOtherUser() { REQUIRE(seteuid(65534) == 0); }
  AsOtherUser(const AsOtherUser&) = delete;
  AsOtherUser& operator=(const AsOtherUser&) = delete;
  ~AsOtherUser() { CHECK(seteuid(0) == 0); }
};

}  // namespace

TEST_CASE("processes of one user meet at a node socket, and their connections wait for messages") {
  const std::string name = new_name();
  const auto socket = NodeSocket::listen(name);
  REQUIRE(socket);
  CHECK(socket->accept_all().empty());
  const Descriptor one = NodeSocket::connect(name);
  const Descriptor other = NodeSocket::connect(name);
  REQUIRE(one.open());
  REQUIRE(other.open());
  CHECK((fcntl(one.get(), F_GETFL) & O_NONBLOCK) == 0);
  const std::vector<Descriptor> accepted = socket->accept_all();
  REQUIRE(accepted.size() == 2);
  REQUIRE(send(one.get(), "x", 1, 0) == 1);
  char received = 0;
  CHECK(recv(accepted[0].get(), &received, 1, 0) == 1);
  CHECK(received == 'x');
}

TEST_CASE("a node socket at which nothing is accepted any more makes no process wait") {
  const std::string name = new_name();
  const Descriptor listening = listen_with_short_queue(name);
  std::vector<Descriptor> waiting;
  do {
    waiting.push_back(NodeSocket::connect(name));
    REQUIRE(waiting.size() < 100);
  } while (waiting.back().open());
  CHECK(waiting.size() > 1);
  CHECK_FALSE(NodeSocket::connect(new_name()).open());
}

TEST_CASE("a connection of another user is not accepted, not even with a message") {
  if (geteuid() != 0) return;
  const std::string name = new_name();
  const auto socket = NodeSocket::listen(name);
  REQUIRE(socket);
  const auto connect_as_other = [&] {
    const AsOtherUser other;
    Descriptor connection = socket_at(name, connect);
    CHECK(send(connection.get(), "x", 1, 0) == 1);
    return connection;
  };
  const Descriptor before = connect_as_other();
  const Descriptor ours = NodeSocket::connect(name);
  const Descriptor after = connect_as_other();
  REQUIRE(ours.open());
  const std::vector<Descriptor> accepted = socket->accept_all();
  REQUIRE(accepted.size() == 1);
  REQUIRE(send(ours.get(), "y", 1, 0) == 1);
  char received = 0;
  CHECK(recv(accepted[0].get(), &received, 1, 0) == 1);
  CHECK(received == 'y');
}

TEST_CASE("no process connects to a socket at which another user listens") {
  if (geteuid() != 0) return;
  const std::string name = new_name();
  std::optional<NodeSocket> socket;
  {
    const AsOtherUser other;
    socket = NodeSocket::listen(name);
  }
  REQUIRE(socket);
  CHECK_FALSE(NodeSocket::connect(name).open());
}
