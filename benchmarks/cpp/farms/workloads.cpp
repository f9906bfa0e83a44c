#include "workloads.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <queue>
#include <random>

namespace {

/// Returns tasks of equal length that keep the workers busy for about this time.
std::vector<double> equal_tasks(double seconds, int workers, double total_seconds) {
  const double count = std::clamp(total_seconds * workers / seconds, 8.0 * workers, 50000.0);
  return std::vector<double>(static_cast<std::size_t>(count), seconds);
}

}  // namespace

std::vector<Workload> workloads(int workers, bool small) {
  using enum Workload::Figure;
  const double total_seconds = small ? 0.02 : 0.4;
  std::vector<Workload> all{{"noop", microseconds_per_task, std::vector<double>(small ? 5000 : 200000, 0.0)}};
  for (const int microseconds : {1, 10, 100, 1000}) {
    all.push_back(
        {"spin_" + std::to_string(microseconds), efficiency, equal_tasks(microseconds * 1e-6, workers, total_seconds)});
  }

  // NOLINTNEXTLINE(bugprone-random-generator-seed): the same tasks on all ranks, and in all runs
  std::mt19937_64 random(20260101);
  std::lognormal_distribution<double> lognormal(std::log(2e-3) - 1.5 * 1.5 / 2, 1.5);  // its mean is 2 ms
  std::vector<double> uneven(small ? 20 : 1000);
  std::ranges::generate(uneven, [&] { return lognormal(random); });
  all.push_back({"lognormal", efficiency, std::move(uneven)});

  std::vector<double> long_last = equal_tasks(1e-3, workers, total_seconds);
  long_last.push_back(total_seconds / 4);
  all.push_back({"long_last", list_schedule, std::move(long_last)});
  return all;
}

std::vector<Workload> granularities(int workers, bool small) {
  std::vector<Workload> all;
  for (double seconds = 1e-3; seconds > 0.2e-6; seconds /= 2) {
    all.push_back({"granularity", Workload::Figure::efficiency, equal_tasks(seconds, workers, small ? 0.005 : 0.1)});
  }
  return all;
}

double list_schedule_seconds(const std::vector<double>& tasks, int workers) {
  std::priority_queue<double, std::vector<double>, std::greater<>> free_at;
  for (int worker = 0; worker < workers; ++worker) free_at.push(0);
  double end = 0;
  for (const double task : tasks) {
    const double done = free_at.top() + task;
    free_at.pop();
    free_at.push(done);
    end = std::max(end, done);
  }
  return end;
}

double granularity(const std::vector<double>& seconds, const std::vector<double>& efficiency, double percent) {
  for (std::size_t index = 0; index < seconds.size(); ++index) {
    if (efficiency[index] >= percent) continue;
    if (index == 0) return std::numeric_limits<double>::infinity();
    const double share = (efficiency[index - 1] - percent) / (efficiency[index - 1] - efficiency[index]);
    return seconds[index - 1] * std::pow(seconds[index] / seconds[index - 1], share);
  }
  return 0;
}
