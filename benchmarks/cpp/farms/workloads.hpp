#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// Tasks of which a figure is made.
struct Workload {
  enum class Figure {
    microseconds_per_task,
    efficiency,     ///< in percent of what the workers would do in the time if each had a core for itself
    list_schedule,  ///< in percent: the time that a list schedule without latency takes, through the time taken
  };

  std::string name;
  Figure figure;
  std::vector<double> seconds;  ///< of each task
};

/// Returns the workloads for so many workers. With `small`, a little of everything.
[[nodiscard]] std::vector<Workload> workloads(int workers, bool small);

/// Returns the workloads of tasks of equal length for the minimum effective task granularity, the longest ones first.
[[nodiscard]] std::vector<Workload> granularities(int workers, bool small);

/// Returns the seconds that the tasks take if each, in their order, goes to the worker that is free first.
[[nodiscard]] double list_schedule_seconds(const std::vector<double>& tasks, int workers);

/// Returns the seconds per task at which the efficiency falls below `percent`, between the two of the lengths beside
/// it. Both lists are ordered from the longest tasks on. Returns 0 if it never does and infinity if it always is.
[[nodiscard]] double granularity(const std::vector<double>& seconds, const std::vector<double>& efficiency,
                                 double percent);
