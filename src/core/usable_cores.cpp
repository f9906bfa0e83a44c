#include "core/usable_cores.hpp"

#include "core/cgroups.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sched.h>
#include <thread>

namespace joblib_mpi {
namespace {

/// Returns the cores that one cgroup allows, or infinity.
double quota_of(const CgroupFiles& cgroup) {
  double microseconds = -1;  // a word such as "max", and -1 in version 1, mean no limit
  double of_microseconds = 0;
  if (cgroup.version == 2) {
    std::ifstream(cgroup.folder / "cpu.max") >> microseconds >> of_microseconds;
  } else {
    std::ifstream(cgroup.folder / "cpu.cfs_quota_us") >> microseconds;
    std::ifstream(cgroup.folder / "cpu.cfs_period_us") >> of_microseconds;
  }
  const bool is_limit = microseconds > 0 && of_microseconds > 0;
  return is_limit ? microseconds / of_microseconds : std::numeric_limits<double>::infinity();
}

int bound_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return CPU_COUNT(&cores);
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));  // more than 1024 cores
}

}  // namespace

double processor_quota(const std::filesystem::path& proc, const std::filesystem::path& cgroups) {
  double least = std::numeric_limits<double>::infinity();
  for (const CgroupFiles& cgroup : own_cgroups("cpu", proc, cgroups)) least = std::min(least, quota_of(cgroup));
  return least;
}

int usable_cores() {
  return static_cast<int>(std::min<double>(bound_cores(), std::ceil(processor_quota())));
}

}  // namespace joblib_mpi
