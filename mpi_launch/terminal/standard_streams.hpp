#pragma once

#include "segments/descriptor.hpp"

#include <sys/types.h>

namespace joblib_mpi::launch {

/// Returns the id of the process that has made `connection`.
[[nodiscard]] pid_t process_behind(const Descriptor& connection);

/// Sends standard input, output and error of this process, as far as they are open, to the process behind `connection`,
/// and nothing after them.
void send_standard_streams(const Descriptor& connection);

/// Puts the streams that come from `connection` in the place of this process's, as long as there are some.
void take_standard_streams(const Descriptor& connection);

}  // namespace joblib_mpi::launch
