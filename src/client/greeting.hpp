#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace joblib_mpi {

// The first bytes of a connection in each direction. Their beginning is the same in all versions of joblib-mpi, so that
// any two can tell that they differ.

/// Names a client's session across its connections: random numbers, made by the client.
using SessionKey = std::array<std::uint64_t, 2>;

/// The first message of a client.
struct ClientGreeting {
  std::string identity;        ///< the versions on which client and job must agree, as a text that people read
  SessionKey session{};        ///< new for a new session
  std::uint64_t received = 0;  ///< the number of the last frame that has arrived, 0 in a new session
  double resume_seconds = 0;   ///< how long rank 0 is to wait for the client once a connection is cut; 0 is not at all
  bool can_borrow = false;     ///< whether descriptors can come over the connection
};

/// The answer of rank 0.
struct ServerGreeting {
  std::string refusal = {};        ///< why rank 0 does not work for the client; empty if it does
  std::uint64_t received = 0;      ///< the number of the last frame that has arrived, 0 in a new session
  std::vector<std::string> hosts;  ///< the processor names, by rank
  std::uint64_t client = 0;        ///< the number of the client in the job; see object_owner.hpp
  std::string description = {};    ///< what the job's program says of it to those of clients: any bytes
  bool lends = false;              ///< whether both ends may lend memory to each other
};

/// Returns the bytes of a greeting, which are few.
[[nodiscard]] Bytes encode(const ClientGreeting& greeting);
[[nodiscard]] Bytes encode(const ServerGreeting& greeting);

/// Collects the bytes of one greeting, and none behind it. Throws VersionMismatch if the other end is another version
/// of joblib-mpi, and SerializationError if it is something else.
class GreetingReceiver {
 public:
  /// Returns the memory for the next bytes of the greeting; empty if it is complete.
  [[nodiscard]] std::span<std::byte> space() noexcept { return std::span(bytes_).subspan(filled_); }
  /// Takes note that the first `bytes` of `space()` have been filled.
  void filled(std::size_t bytes);

  [[nodiscard]] ClientGreeting of_client() const;
  [[nodiscard]] ServerGreeting of_server() const;

 private:
  Bytes bytes_ = Bytes(first_bytes);
  std::size_t filled_ = 0;

  static constexpr std::size_t first_bytes = 64;
};

}  // namespace joblib_mpi
