#include "core/usable_cores.hpp"

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <cmath>
#include <sched.h>
#include <string>

using namespace joblib_mpi;
using joblib_mpi::test::TemporaryFolder;

namespace {

/// A fake of /proc and /sys/fs/cgroup.
using Machine = TemporaryFolder;

double quota_of(const Machine& machine) {
  return processor_quota(machine / "proc", machine / "cgroup");
}

}  // namespace

TEST_CASE("without cgroups there is no quota") {
  CHECK(std::isinf(quota_of(Machine())));
}

TEST_CASE("a quota of version 2 counts in cores, and the smallest of a cgroup and those above it holds") {
  const Machine machine;
  machine.write("proc/self/cgroup", "0::/docker/abc\n");
  CHECK(std::isinf(quota_of(machine)));
  machine.write("cgroup/docker/abc/cpu.max", "max 100000\n");
  CHECK(std::isinf(quota_of(machine)));
  machine.write("cgroup/docker/abc/cpu.max", "250000 100000\n");
  CHECK(quota_of(machine) == 2.5);
  machine.write("cgroup/docker/cpu.max", "50000 100000\n");
  CHECK(quota_of(machine) == 0.5);
  machine.write("cgroup/cpu.max", "400000 100000\n");
  CHECK(quota_of(machine) == 0.5);
}

TEST_CASE("in a container its own cgroup is the root") {
  const Machine machine;
  machine.write("proc/self/cgroup", "0::/\n");
  machine.write("cgroup/cpu.max", "150000 100000\n");
  CHECK(quota_of(machine) == 1.5);
}

TEST_CASE("a quota of version 1 is looked up among those of the processor's controller") {
  const Machine machine;
  machine.write("proc/self/cgroup", "11:memory:/other\n4:cpu,cpuacct:/job_7\n1:name=systemd:/other\n0::/other\n");
  machine.write("cgroup/cpu/job_7/cpu.cfs_period_us", "100000\n");
  machine.write("cgroup/cpu/job_7/cpu.cfs_quota_us", "-1\n");
  CHECK(std::isinf(quota_of(machine)));
  machine.write("cgroup/cpu/job_7/cpu.cfs_quota_us", "300000\n");
  CHECK(quota_of(machine) == 3);
}

TEST_CASE("a quota that cannot be read is none") {
  const std::string text = GENERATE("", "much", "0 100000\n", "100000\n", "100000 0\n", "-5 100000\n");
  const Machine machine;
  machine.write("proc/self/cgroup", "0::/\n");
  machine.write("cgroup/cpu.max", text);
  CHECK(std::isinf(quota_of(machine)));
}

TEST_CASE("a process that is bound to one core can use one") {
  cpu_set_t all;
  REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
  CHECK(usable_cores() >= 1);
  CHECK(usable_cores() <= CPU_COUNT(&all));
  cpu_set_t one;
  CPU_ZERO(&one);
  int core = 0;
  while (!CPU_ISSET(core, &all)) ++core;
  CPU_SET(core, &one);
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(usable_cores() == 1);
  REQUIRE(sched_setaffinity(0, sizeof all, &all) == 0);
}
