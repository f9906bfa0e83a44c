#include "submit/job_state.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace joblib_mpi::launch {
namespace {

/// Returns the value of ` name=`. It ends before the next ` name=`, since values may contain spaces.
std::string value_of(const std::string& line, const std::string& name) {
  const auto begin = line.find(" " + name + "=");
  if (begin == std::string::npos) return "";
  const std::string rest = line.substr(begin + name.size() + 2);
  const auto next_equals = rest.find('=');
  const auto end = next_equals == std::string::npos ? rest.find_last_not_of(" \n") : rest.rfind(' ', next_equals);
  return end == std::string::npos ? "" : rest.substr(0, next_equals == std::string::npos ? end + 1 : end);
}

}  // namespace

bool JobState::is_over() const {
  static const char* const ends[] = {"COMPLETED", "FAILED",        "CANCELLED", "TIMEOUT", "NODE_FAIL",
                                     "PREEMPTED", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"};
  return std::find(std::begin(ends), std::end(ends), state) != std::end(ends);
}

int JobState::exit_status() const {
  if (exit_code != 0) return exit_code;
  if (signal != 0) return 128 + signal;
  return state == "COMPLETED" ? 0 : 1;
}

std::optional<JobState> job_state_from(const std::string& scontrol_line) {
  JobState job;
  job.state = value_of(scontrol_line, "JobState");
  if (job.state.empty()) return std::nullopt;
  if (const std::string reason = value_of(scontrol_line, "Reason"); reason != "None") job.reason = reason;
  job.output = value_of(scontrol_line, "StdOut");
  job.restarts = std::atoi(value_of(scontrol_line, "Restarts").c_str());
  const std::string code = value_of(scontrol_line, "ExitCode");
  job.exit_code = std::atoi(code.c_str());
  if (const auto colon = code.find(':'); colon != std::string::npos) {
    job.signal = std::atoi(code.c_str() + colon + 1);
  }
  return job;
}

}  // namespace joblib_mpi::launch
