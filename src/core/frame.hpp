#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <span>
#include <string_view>
#include <vector>

namespace joblib_mpi {

/// The unit that a transport carries: a body, which is packed into a message, and large parts, which are sent from
/// where they lie.
struct Frame {
  Bytes body;
  std::vector<SharedBytes> parts;

  [[nodiscard]] bool empty() const noexcept { return body.empty(); }
};

/// A frame that has arrived. It is valid until the transport is used again; copies of its `parts` stay valid longer.
struct FrameView {
  ByteView body;
  std::span<const SharedBytes> parts;
  std::string_view no_room = {};  ///< why this rank has no memory for the parts, which are empty then; usually empty
};

}  // namespace joblib_mpi
