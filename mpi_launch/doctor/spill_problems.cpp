#include "doctor/byte_count.hpp"
#include "doctor/problems.hpp"
#include "doctor/rank_groups.hpp"
#include "probe/number_list.hpp"

namespace joblib_mpi::launch {
namespace {

/// The free space that suffices. Results over 64 MB go to this folder; without room for a few of them it is of no use.
constexpr std::uint64_t comfortable_room = std::uint64_t{1} << 30;

}  // namespace

Problems spill_problems(const JobReport& report, const Expectations& expected) {
  // If the user chose no folder, large results stay in the memory of rank 0, and the run works.
  const Severity severity = expected.chosen_spill_folder ? Severity::fails : Severity::warns;
  const std::string remedy =
      "use --spill-dir (in programs spill_dir or JOBLIB_MPI_SPILL_DIR) to name a folder that exists, that this job may "
      "write to, and that all hosts share";
  if (!report.spill_error.empty()) {
    return {{severity, "large results cannot be written on rank 0's host: " + report.spill_error, remedy}};
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
         "use --spill-dir to name a folder with room for all large results"});
  }
  return problems;
}

}  // namespace joblib_mpi::launch
