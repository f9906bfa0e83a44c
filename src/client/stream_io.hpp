#pragma once

#include "segments/descriptor.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <sys/uio.h>
#include <vector>

namespace joblib_mpi {

/// The outcome of moving bytes over a stream.
struct Moved {
  std::size_t bytes = 0;  ///< those that were moved; 0 if the stream is not ready, or gone
  bool is_gone = false;   ///< whether the connection is at its end
  std::string why = {};   ///< the system's reason; empty if the other end has closed the connection
};
/// The number of descriptors that may go together.
inline constexpr std::size_t most_descriptors = 16;

/// Reads what has come, at most as much as fits into `space`, which is not empty. Does not wait.
[[nodiscard]] Moved receive_now(const Descriptor& stream, std::span<std::byte> space);
/// Does so on a Unix socket, and adds the descriptors that have come with the bytes. The connection is gone if this
/// process may open too few files for them.
[[nodiscard]] Moved receive_now(const Descriptor& stream, std::span<std::byte> space,
                                std::vector<Descriptor>& descriptors);
/// Writes as many of the bytes as the stream takes now. The descriptors, `most_descriptors` at most, go with the first
/// of them, over a Unix socket.
[[nodiscard]] Moved send_now(const Descriptor& stream, std::span<iovec> pieces, std::span<const int> descriptors);
[[nodiscard]] Moved send_now(const Descriptor& stream, std::span<iovec> pieces);
[[nodiscard]] Moved send_now(const Descriptor& stream, ByteView bytes);

}  // namespace joblib_mpi
