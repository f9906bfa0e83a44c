#pragma once

#include "client/greeting.hpp"
#include "segments/descriptor.hpp"

#include <chrono>
#include <filesystem>
#include <sys/types.h>

namespace joblib_mpi {

/// Returns a stream socket that listens at `path`, which must not exist, for connections of this user. Throws
/// std::system_error.
[[nodiscard]] Descriptor listen_at(const std::filesystem::path& path);
/// Returns a connection that waits at a listening socket and belongs to this user; none if there is none. Others are
/// closed. It does not block. Throws std::system_error if this process can have no more connections.
[[nodiscard]] Descriptor accept_own(const Descriptor& listening);
/// Returns the id of the process that has made this connection, and may have ended; 0 if it is in a PID namespace that
/// this process does not see.
[[nodiscard]] pid_t peer_process(const Descriptor& connection);
/// A connection on which client and job have exchanged greetings. It does not block.
struct Met {
  Descriptor socket;
  ServerGreeting greeting;
};
/// Exchanges greetings over `connection`, a stream socket. Throws VersionMismatch, and SerializationError if the other
/// end is no job of joblib-mpi, is gone or does not answer in time.
[[nodiscard]] Met meet_over(Descriptor connection, const ClientGreeting& greeting, std::chrono::milliseconds patience);
/// Connects to the socket at `path` and exchanges greetings. Throws what `meet_over` throws, and std::system_error if
/// nothing listens there.
[[nodiscard]] Met meet(const std::filesystem::path& path, const ClientGreeting& greeting,
                       std::chrono::milliseconds patience);

}  // namespace joblib_mpi
