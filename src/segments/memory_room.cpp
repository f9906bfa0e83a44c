#include "segments/memory_room.hpp"

#include "core/cgroups.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string_view>

namespace joblib_mpi {
namespace {

namespace fs = std::filesystem;

/// The names of the files of memory cgroups.
struct MemoryFiles {
  const char* limit;
  const char* usage;
  const char* droppable;  // the line of memory.stat that counts pages of files that can be dropped
};
constexpr MemoryFiles version_1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr MemoryFiles version_2{"memory.max", "memory.current", "inactive_file"};

/// Returns the number that a file consists of; nothing if the file does not exist or holds a word such as "max".
std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::ifstream stream(file);
  std::uint64_t number = 0;
  if (!(stream >> number)) return std::nullopt;
  return number;
}

/// Returns the number that follows `name` in a file of names and numbers.
std::optional<std::uint64_t> number_after(const fs::path& file, std::string_view name) {
  std::ifstream stream(file);
  for (std::string word; stream >> word;) {
    std::uint64_t number = 0;
    if (word == name && stream >> number) return number;
  }
  return std::nullopt;
}

/// Lowers `room` to what the cgroup has left.
void narrow(MemoryRoom& room, const CgroupFiles& cgroup) {
  const MemoryFiles& files = cgroup.version == 2 ? version_2 : version_1;
  const auto limit = number_in(cgroup.folder / files.limit);
  const auto usage = number_in(cgroup.folder / files.usage);
  if (!limit || !usage) return;
  const std::uint64_t used =
      *usage - std::min(*usage, number_after(cgroup.folder / "memory.stat", files.droppable).value_or(0));
  const std::uint64_t left = *limit - std::min(*limit, used);
  if (left < room.bytes) room = {left, "the memory cgroup " + cgroup.group.string(), *limit};
}

}  // namespace

MemoryRoom memory_room(const fs::path& proc, const fs::path& cgroups) {
  MemoryRoom room{std::numeric_limits<std::uint64_t>::max(), "the machine's memory"};
  if (const auto kilobytes = number_after(proc / "meminfo", "MemAvailable:")) room.bytes = *kilobytes * 1024;
  room.total_bytes = number_after(proc / "meminfo", "MemTotal:").value_or(room.bytes / 1024) * 1024;
  for (const CgroupFiles& cgroup : own_cgroups("memory", proc, cgroups)) narrow(room, cgroup);
  return room;
}

}  // namespace joblib_mpi
