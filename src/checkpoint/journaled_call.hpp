#pragma once

#include "checkpoint/journal.hpp"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace joblib_mpi {

/// One call of a program with a checkpoint: finds the results that earlier runs have left for its tasks, refuses
/// results of other tasks, and keeps new ones. Thread-safe.
class JournaledCall {
 public:
  /// Makes the call with `number`, which counts the program's calls with this journal. The journal must outlive the
  /// call.
  JournaledCall(Journal& journal, std::uint64_t number) : journal_(&journal), number_(number) {}

  /// Returns the result that an earlier run has left for task `index`. If there is none, the task is under way from now
  /// on, until `keep` or `forget`. `function` is its name for people. Throws CheckpointError if there is a result of
  /// another function or for other arguments, or if the file cannot be read.
  [[nodiscard]] std::optional<Payload> find(std::size_t index, const JournalKey& key, std::string function);
  /// Keeps the result of a task that is under way. Does nothing for other tasks, and after writing has failed.
  void keep(std::size_t index, Payload result);
  /// Notes that the task has failed or will not run.
  void forget(std::size_t index);
  [[nodiscard]] bool has_tasks_under_way() const;

 private:
  struct TaskIdentity {
    JournalKey key;
    std::string function;
  };

  [[nodiscard]] JournalPlace place(std::size_t index) const noexcept { return {number_, index}; }
  [[noreturn]] void refuse(std::size_t index, const std::string& function, const char* reason) const;

  Journal* journal_;
  const std::uint64_t number_;
  mutable std::mutex mutex_;  // guards the members below
  std::unordered_map<std::size_t, TaskIdentity> under_way_;
};

}  // namespace joblib_mpi
