#pragma once

#include <mpi.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace joblib_mpi::launch {

/// Texts between rank 0 and the others. Nothing here waits longer than it is told to: a rank may be dead or stuck. Who
/// waits sleeps between two looks, and so leaves its core to those that are being measured.
class TextMessages {
 public:
  explicit TextMessages(MPI_Comm communicator) : communicator_(communicator) {}

  /// Sends a text; false if MPI could not be rid of it within the limit.
  bool send(int rank, int tag, std::string text, double limit_seconds) const;
  /// The next text from `rank`; nothing if none comes within the limit.
  [[nodiscard]] std::optional<std::string> receive(int rank, int tag, double limit_seconds) const;
  /// A text from each other rank, by rank; who has sent none within the limit is missing.
  [[nodiscard]] std::map<int, std::string> receive_from_others(int tag, double limit_seconds) const;

 private:
  using Clock = std::chrono::steady_clock;
  using Arrived = std::pair<int, std::string>;

  /// From `rank`, which may be MPI_ANY_SOURCE.
  [[nodiscard]] std::optional<Arrived> receive_until(int rank, int tag, Clock::time_point deadline) const;

  MPI_Comm communicator_;
};

}  // namespace joblib_mpi::launch
