#pragma once

#include "coordinator/coordinator.hpp"
#include "coordinator/coordinator_driver.hpp"
#include "session/loss_log.hpp"
#include "session/rank.hpp"
#include "spill/result_store.hpp"
#include "store/node_store.hpp"

#include <memory>
#include <optional>

namespace joblib_mpi {

/// Rank 0 during one run of a session: its objects, its coordinator, and the driver through which the program's threads
/// use them.
class CoordinatingRank {
 public:
  /// Composes the coordinator from the parts of a rank. What `rank` refers to, and `losses`, must outlive it. If rank 0
  /// is alone, or without a result format, no result spills.
  CoordinatingRank(const Rank& rank, LossLog& losses);
  CoordinatingRank(const CoordinatingRank&) = delete;
  CoordinatingRank& operator=(const CoordinatingRank&) = delete;
  /// Closes the driver, to which others may still hold pointers.
  ~CoordinatingRank() { driver_->close(); }

  /// Returns the driver, which stays valid but closed after this object is destroyed.
  [[nodiscard]] const std::shared_ptr<CoordinatorDriver>& driver() const noexcept { return driver_; }
  /// Returns the coordinator behind the driver. It may be used while no other thread drives.
  [[nodiscard]] Coordinator& coordinator() noexcept { return coordinator_; }
  /// Returns the store of spilled results; null if no result spills.
  [[nodiscard]] ResultStore* result_store() noexcept { return result_store_ ? &*result_store_ : nullptr; }

 private:
  NodeStore store_;
  Coordinator coordinator_;
  std::optional<ResultStore> result_store_;
  std::shared_ptr<CoordinatorDriver> driver_;
};

}  // namespace joblib_mpi
