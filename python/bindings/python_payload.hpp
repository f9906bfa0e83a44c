#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <nanobind/nanobind.h>

namespace joblib_mpi {

/// The memory of an object that has the buffer protocol. To be called with the GIL.
[[nodiscard]] SharedBytes bytes_of(nanobind::handle object);

/// Copies `head`; keeps the objects in `buffers` alive and refers to their memory.
[[nodiscard]] Payload payload_from(const nanobind::bytes& head, nanobind::handle buffers);

[[nodiscard]] nanobind::bytes head_of(const Payload& payload);
/// A list of `Buffer`.
[[nodiscard]] nanobind::list buffers_of(const Payload& payload, bool writable);

/// Lets go of Python memory that the core is done with. The core's threads never take the GIL, so whoever has it does
/// this now and then.
void release_done_buffers();

}  // namespace joblib_mpi
