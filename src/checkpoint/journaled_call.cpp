#include "checkpoint/journaled_call.hpp"

#include <joblib_mpi/error.hpp>

#include <utility>

namespace joblib_mpi {

std::optional<Payload> JournaledCall::find(std::size_t index, const JournalKey& key, std::string function) {
  switch (journal_->find(place(index), key)) {
    case Journal::Known::other_function:
      refuse(index, function, "the function or something that it refers to has changed");
    case Journal::Known::other_arguments:
      refuse(index, function,
             "the arguments have changed, or differ from run to run, as random numbers without a seed do");
    case Journal::Known::result:
      if (std::optional<Payload> result = journal_->load(place(index))) return result;
      break;
    case Journal::Known::nothing:
      break;
  }
  const std::lock_guard lock(mutex_);
  under_way_.insert_or_assign(index, TaskIdentity{key, std::move(function)});
  return std::nullopt;
}

void JournaledCall::keep(std::size_t index, Payload result) {
  std::unique_lock lock(mutex_);
  const auto task = under_way_.extract(index);
  lock.unlock();
  if (task) journal_->append(place(index), task.mapped().key, task.mapped().function, std::move(result));
}

void JournaledCall::forget(std::size_t index) {
  const std::lock_guard lock(mutex_);
  under_way_.erase(index);
}

bool JournaledCall::has_tasks_under_way() const {
  const std::lock_guard lock(mutex_);
  return !under_way_.empty();
}

void JournaledCall::refuse(std::size_t index, const std::string& function, const char* reason) const {
  throw CheckpointError("checkpoint \"" + journal_->path().string() + "\" does not match this program: task " +
                        std::to_string(index) + " (\"" + function + "\") of call " + std::to_string(number_) +
                        " is not the task whose result it holds there (\"" + journal_->function_at(place(index)) +
                        "\"): " + reason +
                        ". Run the unchanged program, or start over: move the file away or give another name");
}

}  // namespace joblib_mpi
