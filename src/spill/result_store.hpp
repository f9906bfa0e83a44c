#pragma once

#include "core/ids.hpp"
#include "core/spill_place.hpp"
#include "core/task_ending.hpp"
#include "spill/result_format.hpp"
#include "spill/spill_folder.hpp"
#include "spill/spill_policy.hpp"
#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/detail/spill_options.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// Returns the folder for results when none was given: if all ranks are on one node, the first of TMPDIR, /tmp and
/// /var/tmp that is on disk and can be written to, and otherwise the current folder.
[[nodiscard]] std::string default_spill_folder(bool one_node);

/// Rank 0's side of spilling: tells workers what may spill and where, and takes results that have spilled. Used by the
/// coordinator alone.
///
/// A result's file is unlinked when rank 0 has opened it: its pages stay as long as a part of the result is in use, and
/// no crash leaves them behind. Files that are to be kept stay, and an `index.h5` beside them, written when the call
/// ends, links them.
class ResultStore {
 public:
  struct Options {
    const ResultFormat* format;
    SpillOptions defaults;  ///< The environment's options, for calls that do not set them.
    std::uint64_t memory_budget_bytes;
    bool one_node = true;  ///< Tells whether TMPDIR is the same on all ranks.
  };
  explicit ResultStore(Options options);

  /// Prepares for a call; must be called before the call's first task. Makes no folder. Throws SpillError if the folder
  /// that was asked for cannot be used, and UsageError for an unknown compression. If no folder was asked for and none
  /// can be used, nothing spills.
  void start_call(CallId call, const SpillOptions& asked);
  /// Ends a call: none of its results may come afterwards.
  void end_call(CallId call);

  /// Sets the limits of a task's result and returns the place where it may go: the same object as long as the place is
  /// the same, null if it must not spill. The reference is valid until the next call of another member function.
  /// `tasks_under_way` is called only if it matters.
  template <class CountTasks>
  [[nodiscard]] const std::shared_ptr<const SpillPlace>& prepare(TaskLimits& task, CallId call,
                                                                 CountTasks tasks_under_way) const {
    static const std::shared_ptr<const SpillPlace> none;
    const auto found = calls_.find(call);
    if (found == calls_.end() || !found->second.place) return none;
    policy_.limit(task, found->second.limits, policy_.expects_memory() ? tasks_under_way() : 0);
    return found->second.place;
  }

  /// Makes the folder for the results of the call and of others that share it, if it is not made yet, because a result
  /// is about to spill. Returns the call's place, which says why if there is no folder; an empty one for a call that
  /// has ended.
  [[nodiscard]] std::shared_ptr<const SpillPlace> make_folder(CallId call);

  /// Counts a result that has come through memory.
  [[nodiscard]] Payload hold(Payload result) {
    return result.parts.empty() ? std::move(result) : policy_.hold(std::move(result));
  }
  /// Opens the result that a worker has written to a file and whose handle it has sent. Throws SpillError, and
  /// SerializationError for an invalid handle.
  [[nodiscard]] Payload open(CallId call, std::uint64_t index, ByteView handle);
  /// Removes the file of a result that is no longer wanted.
  static void discard(ByteView handle) noexcept;

  [[nodiscard]] std::uint64_t held_bytes() const noexcept { return policy_.held_bytes(); }
  /// Returns whether the results that are held use up the call's budget.
  [[nodiscard]] bool memory_is_full(CallId call) const {
    const auto found = calls_.find(call);
    return found != calls_.end() && policy_.is_full(found->second.limits.memory_budget_bytes);
  }

 private:
  struct Call {
    std::string parent;  // the folder in which the job's folder is
    std::shared_ptr<const SpillPlace> place;
    SpillPolicy::Limits limits;
    bool keep = false;
    bool has_spilled = false;
    std::vector<IndexEntry> kept;
  };
  struct Folder {
    std::unique_ptr<SpillFolder> made;  // null before it is made
    bool keep = false;
  };
  [[nodiscard]] Folder& folder_in(const std::string& parent);
  [[nodiscard]] std::shared_ptr<const SpillPlace> place_at(SpillPlace wanted);
  void write_index(const Call& call, const std::string& folder) const noexcept;

  Options options_;
  SpillPolicy policy_;
  std::map<std::string, Folder> folders_;  // by parent folder
  bool no_default_folder_ = false;         // true once the user has been warned
  std::vector<std::shared_ptr<const SpillPlace>> places_;
  std::unordered_map<CallId, Call> calls_;
};

}  // namespace joblib_mpi
