#include "coordinator/worker_roster.hpp"

#include <algorithm>

namespace joblib_mpi {

bool WorkerRoster::all_present() const {
  return std::ranges::all_of(workers_, [](const State& state) { return state.standing == Standing::present; });
}

std::vector<WorkerId> WorkerRoster::serving() const {
  std::vector<WorkerId> serving;
  for (int rank = 1; rank < static_cast<int>(workers_.size()); ++rank) {
    if (is_serving(WorkerId{rank})) serving.push_back(WorkerId{rank});
  }
  return serving;
}

WorkerRoster::Standing WorkerRoster::lose(WorkerId worker) {
  const Standing before = std::exchange(state(worker).standing, Standing::gone);
  if (before == Standing::present) part(state(worker));
  return before;
}

bool WorkerRoster::give_up(WorkerId worker) {
  if (!is_present(worker)) return false;
  state(worker).standing = Standing::given_up;
  part(state(worker));
  return true;
}

std::uint32_t WorkerRoster::call_back(WorkerId worker) {
  state(worker).standing = Standing::called_back;
  return state(worker).epoch;
}

bool WorkerRoster::take_back(WorkerId worker, std::uint32_t epoch) {
  State& state = this->state(worker);
  if (state.standing != Standing::called_back || epoch != state.epoch) return false;
  state.standing = Standing::present;
  state.serving = true;
  ++returns_;
  return true;
}

std::vector<WorkerId> WorkerRoster::stop_waiting() {
  std::vector<WorkerId> awaited;
  for (int rank = 1; rank < static_cast<int>(workers_.size()); ++rank) {
    Standing& standing = state(WorkerId{rank}).standing;
    if (standing != Standing::given_up && standing != Standing::called_back) continue;
    standing = Standing::gone;
    awaited.push_back(WorkerId{rank});
  }
  return awaited;
}

}  // namespace joblib_mpi
