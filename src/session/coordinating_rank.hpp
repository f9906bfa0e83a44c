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
  [[nodiscard]] ResultStore* result_store() noexcept { return result_store_ ? &*result_store_ : nullptr; }

 private:
  NodeStore store_;
  Coordinator coordinator_;
  std::optional<ResultStore> result_store_;
  std::shared_ptr<CoordinatorDriver> driver_;
};

}  // namespace joblib_mpi
