#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <span>
#include <vector>

namespace joblib_mpi {

/// What a transport carries in one piece: a body, which it packs, and large parts, which it sends from where they are.
struct Frame {
  Bytes body;
  std::vector<SharedBytes> parts;

  [[nodiscard]] bool empty() const noexcept { return body.empty(); }
};

/// A frame that has arrived; valid until the transport is used again. `parts` may be kept by copying them.
struct FrameView {
  ByteView body;
  std::span<const SharedBytes> parts;
};

}  // namespace joblib_mpi
