#pragma once

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// The seconds of a time limit as Slurm writes them: minutes, minutes:seconds, hours:minutes:seconds, days-hours,
/// days-hours:minutes, days-hours:minutes:seconds. None if it is not one.
[[nodiscard]] std::optional<long> seconds_of_time_limit(const std::string& text);

}  // namespace joblib_mpi::launch
