#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace joblib_mpi {

/// Owns a file descriptor and closes it in its destructor.
class Descriptor {
 public:
  Descriptor() = default;
  /// Takes over the descriptor `number`; -1 stands for none.
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor();

  /// Returns the number of the descriptor, -1 if there is none.
  [[nodiscard]] int get() const noexcept { return number_; }
  /// Returns true if there is a descriptor.
  [[nodiscard]] bool open() const noexcept { return number_ >= 0; }
  /// Gives the descriptor away, and returns its number.
  [[nodiscard]] int release() noexcept { return std::exchange(number_, -1); }
  /// Closes the descriptor if there is one.
  void close() noexcept;

 private:
  int number_ = -1;
};

/// Returns another descriptor of the file `number`, which exec closes; none if this process may open no more files.
[[nodiscard]] Descriptor another_descriptor(int number) noexcept;

/// Two connected sockets that keep the bounds of messages and are closed by exec.
struct SocketPair {
  Descriptor first;
  Descriptor second;
};
/// Makes a pair of sockets. Throws std::system_error.
[[nodiscard]] SocketPair make_socket_pair();

/// The outcome of sending a message.
enum class Sending : std::uint8_t {
  done,
  later,    ///< the socket is full, or the system has no room for it at present
  in_vain,  ///< an end of the connection is closed
};
/// Sends a message, together with the file `descriptor` unless that is -1; waits for room if `wait` is true.
Sending send_message(const Descriptor& socket, std::span<const std::byte> message, int descriptor, bool wait);

/// A message that has arrived.
struct ReceivedMessage {
  std::size_t bytes;      ///< 0 if the other end is closed
  Descriptor descriptor;  ///< the file that came with the message, if any
  /// True if a file came that this process could not take, because it may open no more files.
  bool lost_descriptor = false;
};
/// Returns the error of a process that may open no more files; its text says what to do.
[[nodiscard]] std::system_error no_more_files();

/// Receives a message into `message`, waiting for one if `wait` is true. Returns nothing if there is none.
[[nodiscard]] std::optional<ReceivedMessage> receive_message(const Descriptor& socket, std::span<std::byte> message,
                                                             bool wait);

}  // namespace joblib_mpi
