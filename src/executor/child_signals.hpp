#pragma once

#include "segments/descriptor.hpp"

#include <signal.h>

namespace joblib_mpi {

/// Blocks SIGCHLD in this thread and returns a descriptor that becomes readable with it instead. `mask_before` is set
/// to what was blocked before.
[[nodiscard]] Descriptor block_child_signals(sigset_t& mask_before);

/// Takes all signals from such a descriptor, without waiting.
void forget_signals(const Descriptor& signals);

}  // namespace joblib_mpi
