#pragma once

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// Returns the seconds of a time limit in Slurm's notation: minutes, minutes:seconds, hours:minutes:seconds,
/// days-hours, days-hours:minutes, days-hours:minutes:seconds. Returns nothing for any other text.
[[nodiscard]] std::optional<long> seconds_of_time_limit(const std::string& text);

}  // namespace joblib_mpi::launch
