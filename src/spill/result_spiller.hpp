#pragma once

#include "core/spill_place.hpp"
#include "core/task_ending.hpp"
#include "spill/result_format.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <map>
#include <string>

namespace joblib_mpi {

/// Writes large results to files, in the process that has made them. Not thread-safe.
class ResultSpiller {
 public:
  /// `format` must outlive it.
  explicit ResultSpiller(const ResultFormat& format) : format_(&format) {}

  /// Whether the result has to spill: all that small results pay.
  [[nodiscard]] static bool is_due(const Payload& result, const TaskLimits& limits) noexcept {
    return limits.spill_over_bytes != 0 && result.size_bytes() > limits.spill_over_bytes;
  }

  /// Writes the result to its file. `result` becomes the file's handle, and `spilled` is returned. If that fails,
  /// `result` stays as it is if rank 0 has the memory for it, and `returned` comes back; otherwise `result` becomes a
  /// text that says why, and `spill_failed` comes back.
  /// A result without a place to go returns as it is.
  [[nodiscard]] TaskEnding spill(Payload& result, const ResultNotes& notes, double seconds, const ResultPlace& place,
                                 const TaskLimits& limits);

 private:
  /// Throws SpillError.
  void require_visible(const SpillPlace& place);

  const ResultFormat* format_;
  std::map<std::string, bool> visible_;  // by token
  bool has_warned_ = false;
};

/// "call-3" in the job's folder.
[[nodiscard]] std::string call_folder(const std::string& job_folder, CallId call);

}  // namespace joblib_mpi
