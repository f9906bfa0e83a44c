#include "doctor/byte_count.hpp"
#include "doctor/problems.hpp"
#include "doctor/rank_groups.hpp"
#include "probe/number_list.hpp"

namespace joblib_mpi::launch {
namespace {

/// Results over 64 MB go there; with less room than for a few of them it is as good as none.
constexpr std::uint64_t comfortable_room = std::uint64_t{1} << 30;

}  // namespace

Problems spill_problems(const JobReport& report, const Expectations& expected) {
  // Without a folder that was chosen, large results take rank 0's memory.
  const Severity severity = expected.chosen_spill_folder ? Severity::fails : Severity::warns;
  const std::string remedy =
      "let --spill-dir (spill_dir, JOBLIB_MPI_SPILL_DIR) name a folder that exists, that this job may write to, and "
      "that all hosts share";
  if (!report.spill_error.empty()) {
    return {{severity, "large results have no place on rank 0's host: " + report.spill_error, remedy}};
  }
  Problems problems;
  for (const auto& [host, ranks] : by_host(report)) {
    for (const auto& [error, own] : ranks_by(ranks, [](const RankReport& rank) { return rank.spill_error; })) {
      if (error.empty()) continue;
      problems.push_back({severity,
                          "the spill folder \"" + report.spill_folder + "\" is not the same on " + host + " (" +
                              ranks_in_words(own) + "): " + error,
                          remedy});
    }
  }
  if (!report.spill_folder.empty() && report.size > 1 && report.spill_free_bytes < comfortable_room) {
    problems.push_back(
        {Severity::warns,
         "the spill folder \"" + report.spill_folder + "\" has only " + in_words(report.spill_free_bytes) + " left",
         "let --spill-dir name a folder with room for all large results"});
  }
  return problems;
}

}  // namespace joblib_mpi::launch
