#include "segments/memory_room.hpp"

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

#include <string>

using namespace joblib_mpi;
using joblib_mpi::test::TemporaryFolder;

namespace {

/// A fake of /proc and /sys/fs/cgroup for a machine with 8 GiB, 4 of them available.
class Machine {
 public:
  Machine() {
    write("proc/meminfo",
          "MemTotal:        8388608 kB\nMemFree:          524288 kB\nMemAvailable:    4194304 kB\n"
          "Cached:          3000000 kB\n");
  }

  void write(const std::string& name, const std::string& text) const { folder_.write(name, text); }

  [[nodiscard]] MemoryRoom room() const { return memory_room(folder_ / "proc", folder_ / "cgroup"); }

 private:
  TemporaryFolder folder_;
};

constexpr std::uint64_t gibibyte = std::uint64_t{1} << 30;

}  // namespace

TEST_CASE("without cgroups the machine's available memory is the room") {
  const Machine machine;
  const MemoryRoom room = machine.room();
  CHECK(room.bytes == 4 * gibibyte);
  CHECK(room.total_bytes == 8 * gibibyte);
  CHECK(room.limit == "the machine's memory");
}

TEST_CASE("a cgroup of version 2 leaves what it does not use, and pages of files that can be dropped") {
  const Machine machine;
  machine.write("proc/self/cgroup", "0::/slurm/job_7\n");
  machine.write("cgroup/slurm/job_7/memory.max", "2147483648\n");
  machine.write("cgroup/slurm/job_7/memory.current", "1610612736\n");
  machine.write("cgroup/slurm/job_7/memory.stat", "anon 1073741824\nactive_file 7\ninactive_file 536870912\n");
  const MemoryRoom room = machine.room();
  CHECK(room.bytes == gibibyte);
  CHECK(room.total_bytes == 2 * gibibyte);
  CHECK(room.limit == "the memory cgroup /slurm/job_7");
}

TEST_CASE("a cgroup of version 1 is looked up among those of the memory controller") {
  const Machine machine;
  machine.write("proc/self/cgroup", "12:cpu,cpuacct:/other\n11:memory:/job_7\n1:name=systemd:/other\n");
  machine.write("cgroup/memory/job_7/memory.limit_in_bytes", "2147483648\n");
  machine.write("cgroup/memory/job_7/memory.usage_in_bytes", "1610612736\n");
  // The line without "total_" does not include child groups.
  machine.write("cgroup/memory/job_7/memory.stat", "inactive_file 1\ntotal_inactive_file 536870912\n");
  CHECK(machine.room().bytes == gibibyte);
  CHECK(machine.room().limit == "the memory cgroup /job_7");
}

TEST_CASE("the narrowest of a cgroup and all above it counts, the root included") {
  const Machine machine;
  machine.write("proc/self/cgroup", "0::/user/session\n");
  machine.write("cgroup/user/session/memory.max", "max\n");
  machine.write("cgroup/user/session/memory.current", "5\n");
  machine.write("cgroup/user/memory.max", "2147483648\n");
  machine.write("cgroup/user/memory.current", "1073741824\n");
  CHECK(machine.room().bytes == gibibyte);
  CHECK(machine.room().limit == "the memory cgroup /user");
  machine.write("cgroup/memory.max", "1073741824\n");
  machine.write("cgroup/memory.current", "1073741823\n");
  CHECK(machine.room().bytes == 1);
  CHECK(machine.room().limit == "the memory cgroup /");
}

TEST_CASE("a cgroup that uses more than its limit, or less than it could drop, has none or all of it left") {
  const Machine machine;
  machine.write("proc/self/cgroup", "0::/job\n");
  machine.write("cgroup/job/memory.max", "1000\n");
  machine.write("cgroup/job/memory.current", "5000\n");
  CHECK(machine.room().bytes == 0);
  machine.write("cgroup/job/memory.stat", "inactive_file 6000\n");
  CHECK(machine.room().bytes == 1000);
}

TEST_CASE("lines and files of the kernel that say nothing leave the machine's memory") {
  const Machine machine;
  machine.write("proc/self/cgroup", "no colons\n1:one\n\n7:cpu:/x\n0::/missing\n");
  CHECK(machine.room().bytes == 4 * gibibyte);
  CHECK(machine.room().limit == "the machine's memory");
}
