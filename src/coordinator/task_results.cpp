#include "coordinator/task_results.hpp"

#include <span>
#include <string>
#include <utility>

namespace joblib_mpi {

void TaskResults::prepare(WorkerId worker, to_worker::RunTask& task) {
  if (store_ == nullptr) return;
  const Place& wanted = store_->prepare(task.limits, task.call, [this] { return outbox_->tasks_under_way(); });
  if (!wanted || place(worker) == wanted) return;
  outbox_->tell(worker, to_worker::SpillInto{*wanted});
  place(worker) = wanted;
}

void TaskResults::make_folder(WorkerId worker, CallId call) {
  if (store_ == nullptr) return;
  outbox_->tell(worker, to_worker::SpillFolderMade{call, *store_->make_folder(call)});
  forget(worker);  // the worker has another place from now on
}

void TaskResults::open(to_coordinator::TaskFinished& message, const to_worker::RunTask& task, bool call_has_ended) {
  const PackedBytes handle = std::exchange(message.result.head, {});
  message.ending = TaskEnding::returned;
  if (call_has_ended) return ResultStore::discard(handle);
  try {
    message.result = store_->open(task.call, task.index + task.items.first, handle);
  } catch (const Error& error) {
    const std::string text = error.what();
    message.ending = TaskEnding::spill_failed;
    message.result = {std::as_bytes(std::span(text)), {}};
  }
}

}  // namespace joblib_mpi
