#pragma once

#include "checkpoint/journal.hpp"

#include <array>
#include <csignal>

namespace joblib_mpi {

/// The signals that announce the end of a run.
inline constexpr std::array ending_signals{SIGUSR1, SIGTERM};

/// While it lives, SIGUSR1 and SIGTERM have a journal write its results, and from then on each one as it comes,
/// even while the program's threads compute; then the handler runs that the process had when the first object was
/// made.
///
/// `mpirun` kills its ranks a second after SIGTERM, and the handler of an interpreter runs only once its main thread
/// returns from what it computes. A signal without a handler keeps its action. Thread-safe. Does nothing in a fork of
/// the process.
class WrittenAtSignals {
 public:
  /// Begins with `journal`, which must outlive this object.
  explicit WrittenAtSignals(Journal& journal);
  WrittenAtSignals(const WrittenAtSignals&) = delete;
  WrittenAtSignals& operator=(const WrittenAtSignals&) = delete;
  /// Ends; the last object that is destroyed restores the handlers, unless the program has set others.
  ~WrittenAtSignals();

 private:
  Journal* journal_;
};

}  // namespace joblib_mpi
