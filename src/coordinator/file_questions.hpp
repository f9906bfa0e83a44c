#pragma once

#include "core/file_refusal.hpp"
#include "core/ids.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// The questions to all workers whether they have a file of rank 0, from asking until the last worker has answered.
class FileQuestions {
 public:
  /// Returns the number of a new question to `workers`.
  [[nodiscard]] std::uint64_t ask(std::set<WorkerId> workers) {
    questions_.emplace(++asked_, Question{std::move(workers), {}});
    return asked_;
  }

  /// Notes an answer; without a reason the worker has the file. An answer that is not expected is ignored.
  void answer(std::uint64_t question, WorkerId worker, std::string reason) {
    const auto found = questions_.find(question);
    if (found == questions_.end() || found->second.waits_for.erase(worker) == 0) return;
    if (!reason.empty()) found->second.refusals.push_back({worker, std::move(reason)});
  }

  /// Stops waiting for a worker that is lost: no task will run there.
  void forget(WorkerId worker) {
    for (auto& [number, question] : questions_) question.waits_for.erase(worker);
  }

  /// Returns the refusals and closes the question if all workers have answered; nothing otherwise.
  [[nodiscard]] std::optional<std::vector<FileRefusal>> take(std::uint64_t question) {
    const auto found = questions_.find(question);
    if (found == questions_.end() || !found->second.waits_for.empty()) return std::nullopt;
    return close(question);
  }

  /// Closes the question. A worker that has not answered counts as one that refuses.
  [[nodiscard]] std::vector<FileRefusal> close(std::uint64_t question) {
    const auto node = questions_.extract(question);
    if (node.empty()) return {};
    std::vector<FileRefusal> refusals = std::move(node.mapped().refusals);
    for (const WorkerId worker : node.mapped().waits_for) refusals.push_back({worker, "it has not answered in time"});
    return refusals;
  }

 private:
  struct Question {
    std::set<WorkerId> waits_for;
    std::vector<FileRefusal> refusals;
  };
  std::unordered_map<std::uint64_t, Question> questions_;
  std::uint64_t asked_ = 0;
};

}  // namespace joblib_mpi
