#include "core/open_files.hpp"
#include "probe/number_list.hpp"
#include "probe/rank_facts.hpp"
#include "segments/memory_room.hpp"

#include <ifaddrs.h>
#include <net/if.h>

#include <arpa/inet.h>
#include <fstream>
#include <memory>
#include <netinet/in.h>
#include <set>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <thread>

namespace joblib_mpi::launch {
namespace {

std::string allowed_cpus() {
  std::ifstream status("/proc/self/status");
  const std::string name = "Cpus_allowed_list:\t";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return line.substr(name.size());
  }
  return {};
}

int cores_of(const std::set<int>& cpus) {
  std::set<std::string> cores;
  for (const int cpu : cpus) {
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string siblings;
    // Without this file, each hardware thread counts as a core.
    cores.insert(std::getline(file, siblings) ? siblings : std::to_string(cpu));
  }
  return static_cast<int>(cores.size());
}

std::set<int> online_cpus() {
  std::ifstream file("/sys/devices/system/cpu/online");
  std::string list;
  std::getline(file, list);
  return parse_number_list(list);
}

std::vector<NetworkInterface> network_interfaces() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  std::vector<NetworkInterface> interfaces;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    const bool is_up = (entry->ifa_flags & IFF_UP) != 0 && (entry->ifa_flags & IFF_LOOPBACK) == 0;
    if (!is_up || entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN] = {};
    const auto* address = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
    if (inet_ntop(AF_INET, &address->sin_addr, text, sizeof text) != nullptr) {
      interfaces.push_back({entry->ifa_name, text});
    }
  }
  return interfaces;
}

}  // namespace

MachineFacts machine_facts() {
  MachineFacts facts;
  facts.cpus = allowed_cpus();
  facts.cores = cores_of(parse_number_list(facts.cpus));
  facts.machine_cpus = static_cast<int>(online_cpus().size());
  const MemoryRoom room = memory_room();
  facts.memory_bytes = room.total_bytes;
  facts.memory_free_bytes = room.bytes;
  facts.memory_limit = room.limit;
  struct statvfs shm {};
  if (statvfs("/dev/shm", &shm) == 0) {
    facts.shm_bytes = std::uint64_t{shm.f_blocks} * shm.f_frsize;
    facts.shm_free_bytes = std::uint64_t{shm.f_bavail} * shm.f_frsize;
  }
  raise_open_file_limit();  // as a session does
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) facts.open_files = files.rlim_cur;
  facts.interfaces = network_interfaces();
  return facts;
}

}  // namespace joblib_mpi::launch
