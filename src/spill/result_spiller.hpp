#pragma once

#include "core/spill_place.hpp"
#include "core/task_ending.hpp"
#include "spill/result_format.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <map>
#include <string>

namespace joblib_mpi {

/// Writes large results to files, in the process that computed them. Not thread-safe.
class ResultSpiller {
 public:
  /// Uses `format`, which must outlive this object.
  explicit ResultSpiller(const ResultFormat& format) : format_(&format) {}

  /// Returns whether the result has to spill; small results pay only for this check.
  [[nodiscard]] static bool is_due(const Payload& result, const TaskLimits& limits) noexcept {
    return limits.spill_over_bytes != 0 && result.size_bytes() > limits.spill_over_bytes;
  }

  /// Writes the result to a file, replaces `result` by the file's handle and returns `spilled`. If writing fails,
  /// `result` is unchanged and `returned` is returned if rank 0 has the memory for it; otherwise `result` becomes a
  /// text with the reason and `spill_failed` is returned. Leaves a result without a place to go unchanged.
  [[nodiscard]] TaskEnding spill(Payload& result, const ResultNotes& notes, double seconds, const ResultPlace& place,
                                 const TaskLimits& limits);

 private:
  /// Throws SpillError if there is no place, or if it is not visible on this host.
  void require_visible(const SpillPlace& place);

  const ResultFormat* format_;
  std::map<std::string, bool> visible_;  // by token
  bool has_warned_ = false;
};

/// Returns the folder of the call in the job's folder, such as "call-3".
[[nodiscard]] std::string call_folder(const std::string& job_folder, CallId call);

}  // namespace joblib_mpi
