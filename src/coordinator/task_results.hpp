#pragma once

#include "coordinator/outbox.hpp"
#include "protocol/messages.hpp"
#include "spill/result_store.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// Carries results from workers to their calls where large ones may go through files: tells each worker where a result
/// may spill, and opens those that have. Without a ResultStore no result spills.
class TaskResults {
 public:
  /// `size` is the number of ranks.
  TaskResults(Outbox& outbox, int size) : outbox_(&outbox), told_(static_cast<std::size_t>(size)) {}

  /// Lets large results of later calls go through files of `store`, which must outlive this object.
  void spill_with(ResultStore& store) noexcept { store_ = &store; }

  /// Throws what ResultStore::start_call throws.
  void start_call(CallId call, const SpillOptions& options) {
    if (store_ != nullptr) store_->start_call(call, options);
  }
  void end_call(CallId call) {
    if (store_ != nullptr) store_->end_call(call);
  }
  /// Returns whether results that are still in use fill the call's memory budget; false if results cannot spill.
  [[nodiscard]] bool fill_memory(CallId call) const { return store_ != nullptr && store_->memory_is_full(call); }

  /// Sets where the result of the task's next attempt may go, and tells the worker if it does not know the place.
  void prepare(WorkerId worker, to_worker::RunTask& task);
  /// Answers a worker whose result is about to spill first into its call's folder.
  void make_folder(WorkerId worker, CallId call);
  /// Replaces the handle of a result that has spilled by the result itself, or by the reason why it cannot be had. The
  /// result is discarded if `call_has_ended()`, which is asked only for results that have spilled.
  template <class CallHasEnded>
  void receive(to_coordinator::TaskFinished& message, const to_worker::RunTask& task, CallHasEnded&& call_has_ended) {
    if (store_ == nullptr) return;
    if (message.ending == TaskEnding::spilled) return open(message, task, call_has_ended());
    if (!message.result.parts.empty()) message.result = store_->hold(std::move(message.result));
  }
  /// Discards a result that is not wanted.
  static void discard(const to_coordinator::TaskFinished& message) noexcept {
    if (message.ending == TaskEnding::spilled) ResultStore::discard(message.result.head);
  }
  /// Forgets what a worker was told that has left.
  void forget(WorkerId worker) { place(worker).reset(); }

 private:
  using Place = std::shared_ptr<const SpillPlace>;
  void open(to_coordinator::TaskFinished& message, const to_worker::RunTask& task, bool call_has_ended);
  [[nodiscard]] Place& place(WorkerId worker) { return told_[static_cast<std::size_t>(worker.value)]; }

  Outbox* outbox_;
  ResultStore* store_ = nullptr;
  std::vector<Place> told_;  // the place that each worker was told last, by rank
};

}  // namespace joblib_mpi
