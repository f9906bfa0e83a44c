#pragma once

#include "core/ids.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A worker that was given up (`is_gone`), or one that is still there but can run no more tasks.
struct LostWorker {
  WorkerId worker;
  std::string reason;       ///< The reason, such as "did not answer for 10 s".
  std::size_t tasks_again;  ///< The number of tasks that the worker held and that run again elsewhere.
  bool is_gone = true;
};

/// Returns one line for the user: `joblib_mpi: warning: rank 2 on n1 was lost (…); its 3 tasks will run again on other
/// ranks`. `hosts` are the processor names by rank.
[[nodiscard]] std::string warning_about(const LostWorker& lost, const std::vector<std::string>& hosts);

/// Returns the hosts whose ranks are all among `lost`, each once, in the order of ranks. `hosts` are the processor
/// names by rank.
[[nodiscard]] std::vector<std::string> hosts_without_ranks(const std::vector<LostWorker>& lost,
                                                           const std::vector<std::string>& hosts);

}  // namespace joblib_mpi
