#pragma once

#include "core/wake_flag.hpp"

#include <mpi.h>

#include <cstddef>
#include <vector>

namespace joblib_mpi {

/// Runs the operations of an MpiTransport, and notes what they tell of the other ranks: which are dead, and which have
/// lately taken a piece of a long message or sent one.
class MpiPeers {
 public:
  /// `communicator`, which has `size` ranks, must return errors.
  MpiPeers(MPI_Comm communicator, int size);

  /// Checks the return code of an operation. Returns false, and notes it, if the code means that a rank is dead.
  /// @throws MpiError for other errors
  bool check(int code, const char* operation);
  enum class Outcome { pending, done, failed };
  /// Tests a pending operation. Notes if MPI reports that a rank is dead.
  [[nodiscard]] Outcome test(MPI_Request& request, MPI_Status* status = MPI_STATUS_IGNORE);

  /// Notes that an operation has failed in a way that only the death of a rank explains.
  void suspect_death() noexcept { death_suspected_ = true; }
  /// Returns whether an operation has failed since the last `find_dead`.
  [[nodiscard]] bool death_suspected() const noexcept { return death_suspected_; }
  /// Asks MPI for dead ranks, and returns those that were not lost before; they are now.
  [[nodiscard]] std::vector<int> find_dead();
  /// Marks `rank` as lost.
  void lose(int rank);
  [[nodiscard]] bool is_lost(int rank) const { return lost_[static_cast<std::size_t>(rank)]; }
  [[nodiscard]] std::size_t size() const noexcept { return lost_.size(); }
  [[nodiscard]] bool any_lost() const noexcept { return any_lost_; }
  [[nodiscard]] std::vector<int> lost() const { return marked(lost_); }

  /// Notifies `flag` whenever `rank` is to look at MPI. It must outlive this object.
  void wake_with(int rank, WakeFlag& flag) { wake_flags_[static_cast<std::size_t>(rank)] = &flag; }
  /// Wakes `rank`, for which something has arrived or is about to. Does nothing if its flag is not known.
  void wake(int rank) const noexcept {
    if (WakeFlag* flag = wake_flags_[static_cast<std::size_t>(rank)]) flag->notify();
  }

  /// Notes that a piece has been taken by this rank or by `rank`, if it is long enough to show that `rank` is alive.
  void hear_of(int rank, std::size_t piece_bytes);
  /// Returns the ranks that have been heard of since the last call.
  [[nodiscard]] std::vector<int> take_heard();

 private:
  [[nodiscard]] static std::vector<int> marked(const std::vector<bool>& by_rank);

  MPI_Comm communicator_;
  bool death_suspected_ = false;
  bool any_lost_ = false;
  std::vector<bool> lost_;             // by rank
  std::vector<WakeFlag*> wake_flags_;  // by rank; null: unknown
  bool any_heard_ = false;
  std::vector<bool> heard_;  // by rank: since the last take_heard
};

}  // namespace joblib_mpi
