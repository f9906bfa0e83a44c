// Scatters an array and prints whether the ranks of each host see one memory, which is not that of another host.
//
//   one_copy_program MEGABYTES

#include <joblib_mpi/joblib_mpi.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <ranges>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace jm = joblib_mpi;

namespace {

/// Returns the inode number of the file that is mapped at an address, according to the kernel's list of this process's
/// mappings; 0 if there is none.
std::uint64_t file_at(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    std::string permissions, offset, device;
    std::uint64_t file = 0;
    std::istringstream fields(line);
    fields >> std::hex >> begin >> dash >> end >> permissions >> offset >> device >> std::dec >> file;
    const auto place = reinterpret_cast<std::uintptr_t>(address);
    if (begin <= place && place < end) return file;
  }
  return 0;
}

constexpr std::size_t values_of_a_page = 512;

struct Seen {
  std::string host;
  long process = 0;
  std::uint64_t file = 0;
  double sum = 0;  // of one value per page
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& host& process& file& sum;
  }
};

std::string where(int) {
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  char host[64] = {};
  gethostname(host, sizeof host - 1);
  return host;
}

Seen look(std::span<const double> values, int) {
  std::this_thread::sleep_for(std::chrono::milliseconds(30));  // long enough for each rank to get a task
  char host[64] = {};
  gethostname(host, sizeof host - 1);
  double sum = 0;
  for (std::size_t place = 0; place < values.size(); place += values_of_a_page) sum += values[place];
  return {host, getpid(), file_at(values.data()), sum};
}

}  // namespace

int main(int argc, char** argv) {
  const auto size = static_cast<std::size_t>(argc > 1 ? std::atoi(argv[1]) : 64) * 1'000'000 / sizeof(double);
  jm::MpiSession session{argc, argv};
  return session.run([&] {
    const auto data = jm::scatter(std::vector<double>(size, 0.5));
    const auto without = jm::Parallel()(std::views::iota(0, 8 * session.size()) |
                                        std::views::transform([](int i) { return jm::delayed<where>(i); }));
    std::printf("%zu hosts have run tasks that do not need it\n", std::set(without.begin(), without.end()).size());
    std::fflush(stdout);
    const auto seen = jm::Parallel()(std::views::iota(0, 8 * session.size()) |
                                     std::views::transform([&](int i) { return jm::delayed<look>(data, i); }));
    std::map<std::string, std::set<std::uint64_t>> files;
    std::map<std::uint64_t, std::string> host_of;
    std::set<std::pair<std::string, long>> ranks;
    bool right = true;
    const auto pages = static_cast<double>((size + values_of_a_page - 1) / values_of_a_page);
    for (const auto& [host, process, file, sum] : seen) {
      right = right && sum == 0.5 * pages && file != 0;
      files[host].insert(file);
      right = right && host_of.emplace(file, host).first->second == host;
      ranks.emplace(host, process);
    }
    for (const auto& [host, numbers] : files) right = right && numbers.size() == 1;
    right = right && ranks.size() == static_cast<std::size_t>(session.size() - 1);
    std::printf("%zu hosts, %zu workers: %s\n", files.size(), ranks.size(), right ? "one copy per host" : "WRONG");
    return right ? 0 : 1;
  });
}
