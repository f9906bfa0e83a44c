#include <joblib_mpi/error.hpp>

#include <utility>

namespace joblib_mpi {
namespace {

/// Returns a text such as `task 218, "fit_fold", was lost with its executor on rank 3 (cn042): signal 11 (SIGSEGV); 3
/// attempts were made`.
std::string describe(const LostTask& task, const std::string& what_happened) {
  std::string text = "task " + std::to_string(task.index) + ", \"" + task.function + "\", " + what_happened;
  if (task.attempts > 0) text += " on rank " + std::to_string(task.rank) + " (" + task.host + ")";
  text += ": " + task.reason + "; ";
  if (task.attempts == 0) return text + "it was never started";
  return text + std::to_string(task.attempts) + (task.attempts == 1 ? " attempt was made" : " attempts were made");
}

std::string describe_lost(const LostTask& task) {
  if (task.attempts == 0) return describe(task, "was lost") + ". Start the job again on ranks that stay alive";
  return describe(task, "was lost with its executor") +
         ". Run it alone to see why, or allow more attempts (retries) if the task is not the cause";
}

std::string describe_timeout(const LostTask& task) {
  return describe(task, "ran out of time") + ". Allow more time (task_timeout_seconds) or make the task smaller";
}

}  // namespace

TaskFailure::TaskFailure(std::string function, int rank, std::string host, std::string type_name,
                         std::string remote_what)
    : function_(std::move(function)),
      rank_(rank),
      host_(std::move(host)),
      type_name_(std::move(type_name)),
      remote_what_(std::move(remote_what)),
      text_(type_name_ + " in " + function_ + " on rank " + std::to_string(rank_) + " (" + host_ +
            "): " + remote_what_) {}

TaskFailure::TaskFailure(std::string function, int rank, std::string host, std::string type_name,
                         std::string remote_what, std::string text)
    : function_(std::move(function)),
      rank_(rank),
      host_(std::move(host)),
      type_name_(std::move(type_name)),
      remote_what_(std::move(remote_what)),
      text_(std::move(text)) {}

WorkerLostError::WorkerLostError(LostTask task)
    : WorkerLostError(task, "joblib_mpi::WorkerLostError", describe_lost(task)) {}

WorkerLostError::WorkerLostError(LostTask task, const char* type_name, const std::string& text)
    : Error(text),
      TaskFailure(std::move(task.function), task.rank, std::move(task.host), type_name, std::move(task.reason), text),
      task_index_(task.index),
      attempts_(task.attempts) {}

TaskTimeoutError::TaskTimeoutError(LostTask task)
    : WorkerLostError(task, "joblib_mpi::TaskTimeoutError", describe_timeout(task)) {}

}  // namespace joblib_mpi
