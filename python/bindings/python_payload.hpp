#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <nanobind/nanobind.h>

namespace joblib_mpi {

/// Returns the memory of an object that supports the buffer protocol, and keeps the object alive. Needs the GIL.
[[nodiscard]] SharedBytes bytes_of(nanobind::handle object);

/// Returns a payload with `head`, copied unless it is long, and with the memory of the objects in `buffers` as parts;
/// it keeps the objects alive whose memory it has. Needs the GIL.
[[nodiscard]] Payload payload_from(nanobind::handle head, nanobind::handle buffers);

/// Returns a copy of the payload's head, or a read-only view of it if it is long. Needs the GIL.
[[nodiscard]] nanobind::object head_of(const Payload& payload);
/// Returns the parts of the payload as a list of `Buffer`, without copying them. Needs the GIL.
[[nodiscard]] nanobind::list buffers_of(const Payload& payload, bool writable);

/// Releases Python objects whose memory the core does not use any more. The core's threads never take the GIL, so
/// threads that have it must call this regularly.
void release_done_buffers();

}  // namespace joblib_mpi
