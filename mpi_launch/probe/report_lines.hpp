#pragma once

#include "probe/report.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace joblib_mpi::launch {

/// A report as lines of standard output, which every launcher brings home whole and in order, from any host and without
/// a folder that all hosts share. `sender` has no spaces and is different for every process of the job.
[[nodiscard]] std::string to_lines(const JobReport& report, const std::string& sender);

/// The last whole report of each sender, in the order in which they came to an end. Other output may stand between and
/// before the lines.
[[nodiscard]] std::vector<JobReport> reports_in(std::string_view output);

/// The rest of it.
[[nodiscard]] std::string without_report_lines(std::string_view output);

}  // namespace joblib_mpi::launch
