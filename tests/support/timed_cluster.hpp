#pragma once

#include "scheduler/scheduler.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <queue>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi::test {

/// A cluster in simulated time: a real scheduler, workers that run one task at a time, and messages that take a
/// constant time. All tasks of its one call are submitted at the start.
class TimedCluster {
 public:
  struct Options {
    unsigned seed;
    std::size_t workers;
    std::size_t tasks;
    std::size_t losses = 0;      // of workers, at random times in the first half
    bool gives_back = true;      // whether workers answer while a task runs
    double mean_seconds = 2e-3;  // of tasks, whose times are log-normal
    double sigma = 1.5;          // of the logarithm of their times
    double latency_seconds = 50e-6;
    SchedulerOptions scheduler = {};
  };

  explicit TimedCluster(const Options& options) : options_(options), scheduler_(options.scheduler) {
    std::mt19937 random(options.seed);
    std::lognormal_distribution<double> seconds(std::log(options.mean_seconds) - options.sigma * options.sigma / 2,
                                                options.sigma);
    for (std::size_t task = 0; task < options.tasks; ++task) seconds_.push_back(seconds(random));
    done_.resize(options.tasks);
    workers_.resize(options.workers);
    double total = 0;
    for (const double task : seconds_) total += task;
    const double half = total / static_cast<double>(options.workers) / 2;
    for (std::size_t loss = 0; loss < options.losses; ++loss) {
      workers_[loss].dies_at = std::uniform_real_distribution<double>(0, half)(random);
    }
    std::ranges::shuffle(workers_, random);
  }

  /// Runs all tasks and returns the time until the last result has arrived. Throws std::logic_error if a task has more
  /// than one result, or if no worker is left to run it.
  double run() {
    for (std::size_t worker = 0; worker < workers_.size(); ++worker) {
      tell(event::WorkerJoined{id_of(worker), options_.gives_back});
      if (workers_[worker].dies_at < never) at(workers_[worker].dies_at, [this, worker] { die(worker); });
    }
    tell(event::CallStarted{CallId{1}, workers_.size(), {.retries = 5}});
    for (std::size_t task = 0; task < options_.tasks; ++task) {
      tell(event::TaskSubmitted{TaskId{static_cast<std::uint32_t>(task), 0}, CallId{1}});
    }
    while (n_done_ < options_.tasks) {
      if (happenings_.empty()) throw std::logic_error("tasks are left that no worker runs");
      const Happening next = happenings_.top();
      happenings_.pop();
      now_ = next.time;
      next.happen();
      note_waste();
    }
    return now_;
  }

  /// Returns the time that the tasks take if each worker gets the next task in the order of their submission once it is
  /// idle, without messages; lost workers are known to be lost at once.
  [[nodiscard]] double list_schedule_seconds() const {
    using Free = std::pair<double, std::size_t>;
    std::priority_queue<Free, std::vector<Free>, std::greater<>> free;
    for (std::size_t worker = 0; worker < workers_.size(); ++worker) free.emplace(0.0, worker);
    std::deque<double> left(seconds_.begin(), seconds_.end());
    double end = 0;
    while (!left.empty()) {
      const auto [time, worker] = free.top();
      free.pop();
      const double dies_at = workers_[worker].dies_at;
      if (dies_at <= time + left.front()) continue;  // the task is the next worker's
      end = std::max(end, time + left.front());
      free.emplace(time + left.front(), worker);
      left.pop_front();
    }
    return end;
  }

  /// Returns the longest time for which a task waited behind another one while a worker was idle.
  [[nodiscard]] double most_wasted_seconds() const noexcept { return most_wasted_; }
  [[nodiscard]] std::size_t tasks_returned() const noexcept { return returned_; }

 private:
  static constexpr double never = std::numeric_limits<double>::infinity();
  static constexpr double lull_seconds = seconds_of_a_message;
  static constexpr double seconds_until_loss_is_known = 1e-3;

  struct Happening {
    double time;
    std::uint64_t number;  // those of one time happen in the order in which they were planned
    std::function<void()> happen;
    friend bool operator>(const Happening& left, const Happening& right) {
      return std::pair(left.time, left.number) > std::pair(right.time, right.number);
    }
  };
  struct Worker {
    double dies_at = never;
    bool dead = false;
    std::optional<std::uint32_t> running = {};
    std::deque<std::uint32_t> waiting = {};
  };

  static WorkerId id_of(std::size_t worker) { return WorkerId{static_cast<int>(worker) + 1}; }
  static std::size_t index_of(WorkerId worker) { return static_cast<std::size_t>(worker.value - 1); }

  void at(double time, std::function<void()> happen) { happenings_.push({time, ++planned_, std::move(happen)}); }
  void after_a_message(std::function<void()> happen) { at(now_ + options_.latency_seconds, std::move(happen)); }

  /// Rank 0 hears of the event now.
  void tell(const SchedulerEvent& event) {
    SchedulerActions actions;
    scheduler_.handle(event, actions);
    for (const SchedulerAction& action : actions) {
      if (const auto* assign = std::get_if<action::Assign>(&action)) {
        after_a_message([this, task = assign->task.slot, worker = index_of(assign->worker)] { get(worker, task); });
      } else if (const auto* take_back = std::get_if<action::TakeBack>(&action)) {
        after_a_message(
            [this, most = take_back->most, worker = index_of(take_back->worker)] { return_tasks(worker, most); });
      } else if (const auto* complete = std::get_if<action::Complete>(&action)) {
        if (done_.at(complete->task.slot)) throw std::logic_error("a task has two results");
        done_[complete->task.slot] = true;
        ++n_done_;
      } else {
        throw std::logic_error("a task was given up or dropped");
      }
    }
    ++heard_;
    if (scheduler_.waits_for_lull()) {
      at(now_ + lull_seconds, [this, heard = heard_] {
        if (heard == heard_) tell(event::Lull{});
      });
    }
  }

  void get(std::size_t worker, std::uint32_t task) {
    if (workers_[worker].dead) return;
    workers_[worker].waiting.push_back(task);
    start_next(worker);
  }

  void start_next(std::size_t worker) {
    Worker& self = workers_[worker];
    if (self.running || self.waiting.empty()) return;
    const std::uint32_t task = self.waiting.front();
    self.waiting.pop_front();
    self.running = task;
    at(now_ + seconds_[task], [this, worker, task] { finish(worker, task); });
  }

  void finish(std::size_t worker, std::uint32_t task) {
    if (workers_[worker].dead) return;
    workers_[worker].running.reset();
    after_a_message([this, task] { tell(event::TaskFinished{TaskId{task, 0}, seconds_[task]}); });
    start_next(worker);
  }

  void return_tasks(std::size_t worker, std::size_t most) {
    Worker& self = workers_[worker];
    if (self.dead) return;
    event::TasksReturned returned{id_of(worker), {}};
    while (!self.waiting.empty() && returned.tasks.size() < most) {
      returned.tasks.insert(returned.tasks.begin(), TaskId{self.waiting.back(), 0});
      self.waiting.pop_back();
    }
    returned_ += returned.tasks.size();
    after_a_message([this, returned] { tell(returned); });
  }

  void die(std::size_t worker) {
    workers_[worker].dead = true;
    workers_[worker].running.reset();
    workers_[worker].waiting.clear();
    at(now_ + seconds_until_loss_is_known, [this, worker] { tell(event::WorkerLost{id_of(worker)}); });
  }

  void note_waste() {
    if (workers_.size() > 64) return;  // it takes long
    const bool idle = std::ranges::any_of(
        workers_, [](const Worker& worker) { return !worker.dead && !worker.running && worker.waiting.empty(); });
    const bool waits = std::ranges::any_of(workers_, [](const Worker& worker) { return !worker.waiting.empty(); });
    if (!idle || !waits) {
      wasted_since_.reset();
    } else if (!wasted_since_) {
      wasted_since_ = now_;
    } else {
      most_wasted_ = std::max(most_wasted_, now_ - *wasted_since_);
    }
  }

  Options options_;
  Scheduler scheduler_;
  std::vector<double> seconds_;  // by task
  std::vector<bool> done_;
  std::vector<Worker> workers_;
  std::priority_queue<Happening, std::vector<Happening>, std::greater<>> happenings_;
  std::uint64_t planned_ = 0;
  double now_ = 0;
  std::size_t n_done_ = 0;
  std::uint64_t heard_ = 0;
  std::size_t returned_ = 0;
  std::optional<double> wasted_since_;
  double most_wasted_ = 0;
};

}  // namespace joblib_mpi::test
