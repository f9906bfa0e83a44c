#pragma once

#include <mpi.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace joblib_mpi::launch {

/// Texts between rank 0 and the other ranks. Every call has a time limit, since the other rank may be dead or stuck. A
/// waiting call sleeps between polls, which leaves the core to the ranks that are being measured.
class TextMessages {
 public:
  explicit TextMessages(MPI_Comm communicator) : communicator_(communicator) {}

  /// Sends a text. Returns false if MPI has not completed the send within the limit, or if `rank` is dead.
  bool send(int rank, int tag, std::string text, double limit_seconds) const;
  /// Returns the next text from `rank`; nothing if none arrives within the limit or if `rank` is dead.
  [[nodiscard]] std::optional<std::string> receive(int rank, int tag, double limit_seconds) const;
  /// Returns one text from each other rank, by rank. Ranks whose text did not arrive within the limit are missing.
  [[nodiscard]] std::map<int, std::string> receive_from_others(int tag, double limit_seconds) const;

 private:
  using Clock = std::chrono::steady_clock;
  using Arrived = std::pair<int, std::string>;

  /// Returns the next text from `rank`, which may be MPI_ANY_SOURCE, and its source.
  [[nodiscard]] std::optional<Arrived> receive_until(int rank, int tag, Clock::time_point deadline) const;

  MPI_Comm communicator_;
};

}  // namespace joblib_mpi::launch
