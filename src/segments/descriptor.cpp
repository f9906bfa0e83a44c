#include "segments/descriptor.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace joblib_mpi {
namespace {

/// The control data of a message, with room for one file descriptor.
union ControlBuffer {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

constexpr std::chrono::milliseconds pause_between_sends{1};  // chosen, not measured

/// Returns whether a message that could not be sent for this reason may be sent later. ETOOMANYREFS: too many
/// descriptors of this user are under way.
bool is_full(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == ENOMEM || error == ETOOMANYREFS;
}

msghdr header_of(iovec& content) {
  msghdr header{};
  header.msg_iov = &content;
  header.msg_iovlen = 1;
  return header;
}

}  // namespace

Descriptor::~Descriptor() {
  close();
}

void Descriptor::close() noexcept {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

Descriptor another_descriptor(int number) noexcept {
  return Descriptor(fcntl(number, F_DUPFD_CLOEXEC, 0));
}

SocketPair make_socket_pair() {
  int numbers[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, numbers) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot make a socket pair for an executor process");
  }
  return {Descriptor(numbers[0]), Descriptor(numbers[1])};
}

Sending send_message(const Descriptor& socket, std::span<const std::byte> message, int descriptor, bool wait) {
  iovec content{const_cast<std::byte*>(message.data()), message.size()};
  msghdr header = header_of(content);
  ControlBuffer control{};
  if (descriptor >= 0) {
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    cmsghdr* file = CMSG_FIRSTHDR(&header);
    file->cmsg_level = SOL_SOCKET;
    file->cmsg_type = SCM_RIGHTS;
    file->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(file), &descriptor, sizeof descriptor);
  }
  while (sendmsg(socket.get(), &header, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) < 0) {
    if (errno == EINTR) continue;
    if (!is_full(errno)) return Sending::in_vain;
    if (!wait) return Sending::later;
    std::this_thread::sleep_for(pause_between_sends);
  }
  return Sending::done;
}

std::optional<ReceivedMessage> receive_message(const Descriptor& socket, std::span<std::byte> message, bool wait) {
  iovec content{message.data(), message.size()};
  msghdr header = header_of(content);
  ControlBuffer control{};
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  ssize_t bytes = 0;
  while ((bytes = recvmsg(socket.get(), &header, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT))) < 0) {
    if (errno == EAGAIN) return std::nullopt;
    if (errno != EINTR) return ReceivedMessage{.bytes = 0, .descriptor = {}};
  }
  ReceivedMessage received{.bytes = static_cast<std::size_t>(bytes), .descriptor = {}};
  const cmsghdr* file = CMSG_FIRSTHDR(&header);
  if (file != nullptr && file->cmsg_type == SCM_RIGHTS) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(file), sizeof number);
    received.descriptor = Descriptor(number);
  }
  received.lost_descriptor = (header.msg_flags & MSG_CTRUNC) != 0;
  return received;
}

std::system_error no_more_files() {
  return {EMFILE, std::generic_category(),
          "memory that another process shares cannot be mapped; raise the limit of open files (ulimit -n) where the "
          "ranks are started"};
}

}  // namespace joblib_mpi
