#pragma once

#include "core/ids.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace joblib_mpi {

/// A worker that was given up, or one that is there and can run no task any more.
struct LostWorker {
  WorkerId worker;
  std::string reason;       ///< "did not answer for 10 s"
  std::size_t tasks_again;  ///< that it held and that run again elsewhere
  bool is_gone = true;
};

/// One line for people: `joblib_mpi: warning: rank 2 on n1 was lost (…); its 3 tasks will run again on other ranks`.
/// `hosts` are the processor names by rank.
[[nodiscard]] std::string warning_about(const LostWorker& lost, const std::vector<std::string>& hosts);

/// The hosts whose ranks are all among those lost, each once, in the order of ranks. `hosts` as above.
[[nodiscard]] std::vector<std::string> hosts_without_ranks(const std::vector<LostWorker>& lost,
                                                           const std::vector<std::string>& hosts);

}  // namespace joblib_mpi
