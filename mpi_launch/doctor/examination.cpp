#include "doctor/examination.hpp"

#include "doctor/launch_problems.hpp"
#include "doctor/transports.hpp"
#include "probe/attendance.hpp"
#include "probe/report_lines.hpp"

#include <algorithm>

namespace joblib_mpi::launch {
namespace {

void add_transports(JobReport& report, const Transports& transports) {
  if (report.ranks.empty()) return;
  const std::string& layer = report.ranks.front().mpi.layer;
  for (LinkReport& link : report.links) {
    const auto found = transports.by_rank.find(link.rank);
    if (found != transports.by_rank.end()) {
      link.transport = found->second;
    } else if (layer != "ob1") {
      link.transport = layer;  // UCX and libfabric choose below Open MPI, and do not report their choice
    }
    // Connections to one of the host's own addresses lead to the launcher.
    if (!link.transport.empty() && link.transport.find("tcp") == std::string::npos) link.through.clear();
  }
}

/// Returns the problem that each process started as a separate job, in which it is rank 0 of 1.
Problem singletons(const JobReport& report, const Expectations& expected) {
  const std::string library = report.ranks.empty() ? "" : report.ranks.front().mpi.library;
  return {
      Severity::fails,
      "the ranks do not find each other: each is a job of 1 rank. The launcher is " +
          (expected.launcher.name.empty() ? "unknown" : to_string(expected.launcher)) + ", the library " + library,
      "start the ranks with the mpirun that belongs to the library, or with srun --mpi=pmix; check PATH and the loaded "
      "modules"};
}

/// Adds the problems that follow from the way in which the launcher ended.
void look_at_end(Problems& problems, const CapturedRun& run, const JobReport& report, const Attendance& attendance,
                 const Expectations& expected) {
  const bool all_reported = static_cast<int>(report.ranks.size()) == report.size;
  const bool all_measured = std::ranges::all_of(report.links, &LinkReport::measured);
  if (run.status == 0 && !run.timed_out) return;
  if (!all_reported) {
    std::ranges::copy(launch_problems(run, attendance, expected), std::back_inserter(problems));
  } else if (all_measured) {
    problems.push_back(
        {Severity::fails,
         run.timed_out ? "all ranks have reported, but the job did not end"
                       : "all ranks have reported, but the launcher ended with status " + std::to_string(run.status),
         "read its messages below"});
  }
}

}  // namespace

bool Examination::run_would_fail() const {
  return std::ranges::any_of(problems, [](const Problem& problem) { return problem.severity == Severity::fails; });
}

Examination examine(const CapturedRun& run, const Expectations& expected) {
  Transports transports = transports_in(run.errors);
  const Attendance attendance = attendance_in(transports.other_lines);
  std::vector<JobReport> reports = reports_in(run.output);

  Examination examination;
  examination.words = attendance.other_lines + without_report_lines(run.output);
  if (reports.empty()) {
    examination.problems = launch_problems(run, attendance, expected);
    if (examination.problems.empty()) {
      examination.problems.push_back(
          {Severity::fails,
           "the launcher ended with status " + std::to_string(run.status) + " and without a report from rank 0",
           "read its messages below"});
    }
    return examination;
  }
  JobReport& report = reports.front();
  add_transports(report, transports);
  if (report.size == 1 && expected.ranks > 1 && reports.size() > 1) {
    examination.problems = {singletons(report, expected)};
  } else {
    examination.problems = diagnose(report, expected);
    look_at_end(examination.problems, run, report, attendance, expected);
  }
  std::ranges::stable_sort(examination.problems, {}, &Problem::severity);
  examination.report = std::move(report);
  return examination;
}

}  // namespace joblib_mpi::launch
