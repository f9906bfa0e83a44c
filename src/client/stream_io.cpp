#include "client/stream_io.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <sys/socket.h>
#include <system_error>

namespace joblib_mpi {
namespace {

Moved outcome_of(ssize_t bytes) {
  if (bytes > 0) return {static_cast<std::size_t>(bytes)};
  if (bytes == 0) return {0, true};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {};
  return {0, true, std::generic_category().message(errno)};
}

}  // namespace

Moved receive_now(const Descriptor& stream, std::span<std::byte> space) {
  return outcome_of(recv(stream.get(), space.data(), space.size(), MSG_DONTWAIT));
}

Moved send_now(const Descriptor& stream, std::span<iovec> pieces) {
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = std::min<std::size_t>(pieces.size(), IOV_MAX);
  return outcome_of(sendmsg(stream.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

Moved send_now(const Descriptor& stream, ByteView bytes) {
  iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};  // sendmsg only reads it
  return send_now(stream, std::span(&piece, 1));
}

}  // namespace joblib_mpi
