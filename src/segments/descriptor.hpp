#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

namespace joblib_mpi {

/// Owns an open file.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();

  [[nodiscard]] int get() const noexcept { return number_; }
  [[nodiscard]] bool open() const noexcept { return number_ >= 0; }
  void close() noexcept;

 private:
  int number_ = -1;
};

/// Two connected sockets that keep the bounds of messages and that exec closes.
struct SocketPair {
  Descriptor first;
  Descriptor second;
};
/// Throws std::system_error.
[[nodiscard]] SocketPair make_socket_pair();

/// Sends a message, with an open file if `descriptor` is not -1. False if the socket is full and `wait` is not given,
/// or if nobody is at the other end.
bool send_message(const Descriptor& socket, std::span<const std::byte> message, int descriptor, bool wait);

struct ReceivedMessage {
  std::size_t bytes;      ///< 0: nobody is at the other end any more
  Descriptor descriptor;  ///< that came with it, if any
};
/// Waits for a message if `wait` is given; nothing if there is none.
[[nodiscard]] std::optional<ReceivedMessage> receive_message(const Descriptor& socket, std::span<std::byte> message,
                                                             bool wait);

}  // namespace joblib_mpi
