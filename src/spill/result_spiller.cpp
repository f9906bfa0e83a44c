#include "spill/result_spiller.hpp"

#include "files/guarded_folder.hpp"
#include "spill/result_file.hpp"
#include <joblib_mpi/error.hpp>

#include <cstdio>
#include <span>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

std::string host_name() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0) return "an unknown host";
  return name;
}

ResultContent content_of(const Payload& result, const ResultNotes& notes) {
  ResultContent content;
  content.head_bytes = result.packed().size();
  for (std::size_t number = 0; number < result.parts.size(); ++number) {
    const bool is_told = number < notes.layouts.size();
    content.arrays.push_back({is_told ? notes.layouts[number] : ArrayLayout{}, result.parts[number].size()});
  }
  return content;
}

}  // namespace

std::string call_folder(const std::string& job_folder, CallId call) {
  return job_folder + "/call-" + std::to_string(call.value);
}

TaskEnding ResultSpiller::spill(Payload& result, const ResultNotes& notes, double seconds, const ResultPlace& place,
                                const TaskLimits& limits) {
  if (!place.spill || place.spill->folder.empty()) return TaskEnding::returned;
  const std::uint64_t bytes = result.size_bytes();
  std::string reason;
  try {
    require_visible(*place.spill);
    const std::string folder = call_folder(place.spill->folder, place.call);
    (void)GuardedFolder::make(folder, Guard::own);
    ResultContent content = content_of(result, notes);
    content.attributes = {notes.function, place.index, place.spill->rank, seconds};
    // The rank tells attempts apart: an attempt that was given up may still be writing.
    const std::string name = "result-" + std::to_string(place.index) + "-rank-" + std::to_string(place.spill->rank);
    const ResultHandle handle =
        write_result(folder + "/" + name + ".h5", *format_, content, result, place.spill->compression);
    result = {encode(handle), {}};
    return TaskEnding::spilled;
  } catch (const std::exception& error) {
    reason = error.what();
  }
  if (bytes <= limits.memory_left_bytes) {
    if (!std::exchange(has_warned_, true)) {
      std::fprintf(stderr, "joblib_mpi: rank %d on %s sends large results through memory: %s\n", place.spill->rank,
                   host_name().c_str(), reason.c_str());
    }
    return TaskEnding::returned;
  }
  const std::string text = "its result of " + std::to_string(bytes) + " bytes could not be stored: " + reason +
                           "; and rank 0's memory_budget has " + std::to_string(limits.memory_left_bytes) +
                           " bytes left. Set spill_dir to a folder with enough space, or raise memory_budget";
  result = {std::as_bytes(std::span(text)), {}};
  return TaskEnding::spill_failed;
}

void ResultSpiller::require_visible(const SpillPlace& place) {
  if (!place.refusal.empty()) throw SpillError(place.refusal);
  bool& visible = visible_[place.token];
  struct stat status {};
  if (!visible) visible = stat(place.token.c_str(), &status) == 0;
  if (visible) return;
  throw SpillError("the spill folder \"" + place.folder + "\" that rank 0 has created does not exist on " +
                   host_name() + " (rank " + std::to_string(place.rank) +
                   "); set spill_dir (JOBLIB_MPI_SPILL_DIR) to a folder that all nodes share");
}

}  // namespace joblib_mpi
