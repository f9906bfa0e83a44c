#include "client/stream_io.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <climits>
#include <cstring>
#include <sys/socket.h>
#include <system_error>

namespace joblib_mpi {
namespace {

Moved outcome_of(ssize_t bytes) {
  if (bytes > 0) return {static_cast<std::size_t>(bytes)};
  if (bytes == 0) return {0, true};
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {};
  if (errno == ETOOMANYREFS) return {};  // as many descriptors are under way as the system allows this user
  return {0, true, std::generic_category().message(errno)};
}

}  // namespace

Moved receive_now(const Descriptor& stream, std::span<std::byte> space) {
  return outcome_of(recv(stream.get(), space.data(), space.size(), MSG_DONTWAIT));
}

Moved receive_now(const Descriptor& stream, std::span<std::byte> space, std::vector<Descriptor>& descriptors) {
  iovec piece{space.data(), space.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(most_descriptors * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t received = recvmsg(stream.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  Moved moved = outcome_of(received);
  if (received < 0) return moved;
  if ((message.msg_flags & MSG_CTRUNC) != 0) moved = {0, true, no_more_files().what()};
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    std::vector<int> numbers((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(numbers.data(), CMSG_DATA(head), numbers.size() * sizeof(int));
    for (const int number : numbers) descriptors.emplace_back(number);
  }
  return moved;
}

Moved send_now(const Descriptor& stream, std::span<iovec> pieces, std::span<const int> descriptors) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(most_descriptors * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = std::min<std::size_t>(pieces.size(), IOV_MAX);
  if (!descriptors.empty()) {
    assert(descriptors.size() <= most_descriptors);
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
  }
  return outcome_of(sendmsg(stream.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

Moved send_now(const Descriptor& stream, ByteView bytes) {
  iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};  // sendmsg only reads it
  return send_now(stream, std::span(&piece, 1), {});
}

}  // namespace joblib_mpi
