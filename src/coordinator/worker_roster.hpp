#pragma once

#include "coordinator/lost_worker.hpp"
#include "core/ids.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// The workers by their standing with the coordinator, and the list of those that were lost. Sends nothing.
class WorkerRoster {
 public:
  /// The trust of the coordinator in a worker. One that was given up may come back, and is called back when it is
  /// heard of; one that is gone stays so.
  enum class Standing : std::uint8_t { present, given_up, called_back, gone };

  /// `size` is the number of ranks; all workers are present.
  explicit WorkerRoster(int size) : workers_(static_cast<std::size_t>(size)) {}

  [[nodiscard]] Standing standing(WorkerId worker) const { return state(worker).standing; }
  [[nodiscard]] bool is_present(WorkerId worker) const { return standing(worker) == Standing::present; }
  [[nodiscard]] bool all_present() const;
  /// Returns whether the worker is present and has not said Goodbye.
  [[nodiscard]] bool is_serving(WorkerId worker) const { return state(worker).serving; }
  [[nodiscard]] bool is_retired(WorkerId worker) const { return state(worker).retired; }
  /// Returns all workers for which is_serving is true, in the order of ranks.
  [[nodiscard]] std::vector<WorkerId> serving() const;

  /// Marks the worker as gone and returns its standing before.
  Standing lose(WorkerId worker);
  /// Marks the worker as given up. Returns false, and does nothing, if it is not present.
  bool give_up(WorkerId worker);
  /// Marks a worker that was given up as called back and returns its epoch: how many times it has left.
  [[nodiscard]] std::uint32_t call_back(WorkerId worker);
  /// Takes a worker back that says that it has begun `epoch`. Returns false, and does nothing, unless it was called
  /// back into that epoch.
  bool take_back(WorkerId worker, std::uint32_t epoch);
  /// Marks a worker as one that can run no more tasks; it stays so when it comes back.
  void retire(WorkerId worker) { state(worker).retired = true; }
  /// Takes note that the worker has said Goodbye.
  void leave(WorkerId worker) { state(worker).serving = false; }
  /// Marks all workers as gone that were given up and have not come back, and returns them.
  [[nodiscard]] std::vector<WorkerId> stop_waiting();

  /// Adds to the list of losses. The entry changes with `runs_no_more` until the next one is added.
  void note(LostWorker lost) { lost_.push_back(std::move(lost)); }
  /// Takes note that a task of the worker that was noted last ends instead of running again.
  void runs_no_more() { --lost_.back().tasks_again; }
  /// Returns all workers that were lost or retired, in the order of their loss.
  [[nodiscard]] const std::vector<LostWorker>& lost() const noexcept { return lost_; }
  /// Returns how many times a worker has come back.
  [[nodiscard]] std::uint64_t returns() const noexcept { return returns_; }

  void on_loss(std::function<void(const LostWorker&)> tell) { tell_of_loss_ = std::move(tell); }
  void on_return(std::function<void(WorkerId)> tell) { tell_of_return_ = std::move(tell); }
  /// Calls the function of `on_loss` for the loss that was noted last.
  void tell_of_loss() const {
    if (tell_of_loss_) tell_of_loss_(lost_.back());
  }
  /// Calls the function of `on_return`.
  void tell_of_return(WorkerId worker) const {
    if (tell_of_return_) tell_of_return_(worker);
  }

 private:
  struct State {
    bool serving = true;
    bool retired = false;
    Standing standing = Standing::present;
    std::uint32_t epoch = 0;
  };
  [[nodiscard]] State& state(WorkerId worker) { return workers_[static_cast<std::size_t>(worker.value)]; }
  [[nodiscard]] const State& state(WorkerId worker) const { return workers_[static_cast<std::size_t>(worker.value)]; }
  static void part(State& state) {
    state.serving = false;
    ++state.epoch;
  }

  std::vector<State> workers_;  // by rank; rank 0's is unused
  std::vector<LostWorker> lost_;
  std::uint64_t returns_ = 0;
  std::function<void(const LostWorker&)> tell_of_loss_;
  std::function<void(WorkerId)> tell_of_return_;
};

}  // namespace joblib_mpi
