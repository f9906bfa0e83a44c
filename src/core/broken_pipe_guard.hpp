#pragma once

namespace joblib_mpi {

/// Keeps this process alive when it writes to a socket or pipe whose other end is closed: the write fails with EPIPE,
/// where the default action of SIGPIPE would end the process without a word. Open MPI does not know that a rank is dead
/// before it has read from its socket, and may write to it several times until then.
///
/// Works while at least one such object lives. A handler of the program stays in place. Programs that this process
/// starts have the default action, as they would without the object. Thread-safe.
class BrokenPipeGuard {
 public:
  BrokenPipeGuard();
  BrokenPipeGuard(const BrokenPipeGuard&) = delete;
  BrokenPipeGuard& operator=(const BrokenPipeGuard&) = delete;
  /// Restores the default action if this object was the last one and the program has not changed the action.
  ~BrokenPipeGuard();
};

}  // namespace joblib_mpi
