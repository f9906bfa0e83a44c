#include "client/meeting_point.hpp"

#include "client/stream_io.hpp"
#include "segments/node_socket.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>
#include <utility>

namespace joblib_mpi {
namespace {

using Clock = std::chrono::steady_clock;

/// The address of a socket in a folder whose path may be longer than an address.
class PathAddress {
 public:
  explicit PathAddress(const std::filesystem::path& path)
      : folder_(open(path.has_parent_path() ? path.parent_path().c_str() : ".", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    if (!folder_.open()) throw std::system_error(errno, std::generic_category(), path.string());
    const std::string short_path = "/proc/self/fd/" + std::to_string(folder_.get()) + "/" + path.filename().string();
    if (short_path.size() >= sizeof value_.sun_path) {
      throw std::system_error(ENAMETOOLONG, std::generic_category(), path.string());
    }
    value_.sun_family = AF_UNIX;
    std::memcpy(value_.sun_path, short_path.c_str(), short_path.size() + 1);
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&value_); }
  static constexpr socklen_t bytes = sizeof(sockaddr_un);

 private:
  Descriptor folder_;
  sockaddr_un value_{};
};

Descriptor make_stream(const std::filesystem::path& path) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.open()) throw std::system_error(errno, std::generic_category(), path.string());
  return socket;
}

/// Waits until the socket is ready for `events`. Throws SerializationError after the deadline.
void wait_for(const Descriptor& socket, short events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{socket.get(), events, 0};
    const int ready = left > 0 ? poll(&waiting, 1, static_cast<int>(std::min<long long>(left, 60'000))) : 0;
    if (ready > 0) return;
    if (left <= 0) throw SerializationError("the job has not answered the greeting of its client in time");
  }
}

/// Returns how many bytes were moved. Throws SerializationError if the connection is gone.
std::size_t bytes_of(const Moved& moved) {
  if (moved.is_gone) throw SerializationError("the job has closed the connection of its client");
  return moved.bytes;
}

void send_greeting(const Descriptor& socket, ByteView bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const std::size_t sent = bytes_of(send_now(socket, bytes));
    if (sent == 0) wait_for(socket, POLLOUT, deadline);
    bytes = bytes.subspan(sent);
  }
}

ServerGreeting receive_greeting(const Descriptor& socket, Clock::time_point deadline) {
  GreetingReceiver receiver;
  while (!receiver.space().empty()) {
    const std::size_t received = bytes_of(receive_now(socket, receiver.space()));
    if (received == 0) wait_for(socket, POLLIN, deadline);
    receiver.filled(received);
  }
  return receiver.of_server();
}

Met exchange_greetings(Descriptor socket, const ClientGreeting& greeting, Clock::time_point deadline) {
  send_greeting(socket, encode(greeting), deadline);
  ServerGreeting answer = receive_greeting(socket, deadline);
  return {std::move(socket), std::move(answer)};
}

}  // namespace

Descriptor listen_at(const std::filesystem::path& path) {
  Descriptor socket = make_stream(path);
  const PathAddress address(path);
  if (bind(socket.get(), address.get(), PathAddress::bytes) != 0 || listen(socket.get(), SOMAXCONN) != 0) {
    throw std::system_error(errno, std::generic_category(), path.string());
  }
  return socket;
}

Descriptor accept_own(const Descriptor& listening) {
  while (true) {
    Descriptor connection(accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection.open() && (errno == EINTR || errno == ECONNABORTED)) continue;
    if (!connection.open() && errno != EAGAIN) throw std::system_error(errno, std::generic_category(), "accept");
    if (!connection.open() || is_own_user(connection)) return connection;
  }
}

pid_t peer_process(const Descriptor& connection) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

Met meet_over(Descriptor connection, const ClientGreeting& greeting, std::chrono::milliseconds patience) {
  const int flags = fcntl(connection.get(), F_GETFL);
  if (flags < 0 || fcntl(connection.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "the connection of a client");
  }
  return exchange_greetings(std::move(connection), greeting, Clock::now() + patience);
}

Met meet(const std::filesystem::path& path, const ClientGreeting& greeting, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  Descriptor socket = make_stream(path);
  const PathAddress address(path);
  while (connect(socket.get(), address.get(), PathAddress::bytes) != 0) {
    if (errno == EINTR) continue;
    if (errno != EAGAIN || Clock::now() >= deadline) {  // as many clients wait as the system allows
      throw std::system_error(errno, std::generic_category(), path.string());
    }
    constexpr int pause_ms = 1;
    (void)poll(nullptr, 0, pause_ms);
  }
  if (!is_own_user(socket)) throw SerializationError("the job at " + path.string() + " belongs to another user");
  return exchange_greetings(std::move(socket), greeting, deadline);
}

}  // namespace joblib_mpi
