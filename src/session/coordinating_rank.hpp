#pragma once

#include "coordinator/coordinator.hpp"
#include "coordinator/coordinator_driver.hpp"
#include "session/loss_log.hpp"
#include "session/rank.hpp"
#include "spill/spill_desk.hpp"
#include "store/node_store.hpp"

#include <memory>
#include <optional>

namespace joblib_mpi {

/// Rank 0 during one run of a session: its objects, its coordinator, and the driver through which the program's threads
/// use them.
class CoordinatingRank {
 public:
  /// `losses` must outlive this. Without another rank, or without a result format, no result spills.
  CoordinatingRank(const Rank& rank, LossLog& losses);
  CoordinatingRank(const CoordinatingRank&) = delete;
  CoordinatingRank& operator=(const CoordinatingRank&) = delete;
  /// Closes the driver, which others may still hold.
  ~CoordinatingRank() { driver_->close(); }

  [[nodiscard]] const std::shared_ptr<CoordinatorDriver>& driver() const noexcept { return driver_; }
  /// The coordinator behind the driver, for use while no other thread drives.
  [[nodiscard]] Coordinator& coordinator() noexcept { return coordinator_; }
  /// Null if no result spills.
  [[nodiscard]] SpillDesk* spill_desk() noexcept { return spill_desk_ ? &*spill_desk_ : nullptr; }

 private:
  NodeStore store_;
  Coordinator coordinator_;
  std::optional<SpillDesk> spill_desk_;
  std::shared_ptr<CoordinatorDriver> driver_;
};

}  // namespace joblib_mpi
