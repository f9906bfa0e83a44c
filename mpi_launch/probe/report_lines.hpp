#pragma once

#include "probe/report.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace joblib_mpi::launch {

/// Returns a report as lines for standard output: every launcher forwards such lines whole and in order from any host,
/// without a shared folder. `sender` must have no spaces and must differ between the processes of the job.
[[nodiscard]] std::string to_lines(const JobReport& report, const std::string& sender);

/// Returns the last complete report of each sender, in the order in which the reports were completed. Other output may
/// stand before a report's lines and between them.
[[nodiscard]] std::vector<JobReport> reports_in(std::string_view output);

/// Returns `output` without the lines of reports.
[[nodiscard]] std::string without_report_lines(std::string_view output);

}  // namespace joblib_mpi::launch
