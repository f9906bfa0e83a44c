#pragma once

#include <optional>
#include <string>

namespace joblib_mpi::launch {

/// Returns the seconds of a time such as "90", "90s", "30m", "2h" or "1d": a whole number of seconds, minutes, hours or
/// days, of at most eight digits. Returns nothing for any other text.
[[nodiscard]] std::optional<long> seconds_of_time_span(const std::string& text);

}  // namespace joblib_mpi::launch
