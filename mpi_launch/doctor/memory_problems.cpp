#include "doctor/byte_count.hpp"
#include "doctor/problems.hpp"
#include "doctor/rank_groups.hpp"
#include "probe/number_list.hpp"

namespace joblib_mpi::launch {
namespace {

constexpr std::uint64_t mebibyte = std::uint64_t{1} << 20;

/// The memory that a worker needs to run scikit-learn at all: its three processes, which share most pages, take 100 to
/// 150 MiB together before any data.
constexpr std::uint64_t least_memory_per_rank = 128 * mebibyte;
/// The memory per rank that leaves room for some data: joblib calls arrays large from 1 MB on, and tasks hold a few
/// copies of theirs.
constexpr std::uint64_t comfortable_memory_per_rank = 512 * mebibyte;
/// The shared memory of Open MPI for each rank: btl_vader_segment_size of 4.1. With room for less than one, Open MPI
/// was seen to take TCP. Its files are sparse, so a rank that touches pages for which there is no room is killed by
/// SIGBUS.
constexpr std::uint64_t shared_memory_per_rank = 4 * mebibyte;
/// The number of open files that suffices: large shared arrays take one each in each process that uses them, small ones
/// share some 80 for 2 GB, and MPI over TCP has a connection to each rank.
constexpr std::uint64_t comfortable_open_files = 1024;

void look_at_memory(Problems& problems, const std::string& host, const RanksOfHost& ranks, bool needs_python) {
  // Ranks under one limit share its memory.
  for (const auto& [limit, sharing] :
       ranks_by(ranks, [](const RankReport& rank) { return rank.machine.memory_limit; })) {
    std::uint64_t free = 0;
    for (const RankReport* rank : ranks) {
      if (rank->machine.memory_limit == limit) free = rank->machine.memory_free_bytes;
    }
    const std::uint64_t share = free / sharing.size();
    if (share >= comfortable_memory_per_rank) continue;
    problems.push_back({needs_python && share < least_memory_per_rank ? Severity::fails : Severity::warns,
                        ranks_in_words(sharing) + " on " + host + " have " + in_words(share) + " of memory each (" +
                            limit + " has " + in_words(free) + " left)",
                        "start fewer ranks per host (--per-node), or ask for more memory (--mem, --mem-per-cpu)"});
  }
}

void look_at_shared_memory(Problems& problems, const std::string& host, const RanksOfHost& ranks) {
  const MachineFacts& machine = ranks.front()->machine;
  const std::uint64_t needed = ranks.size() * shared_memory_per_rank;
  if (ranks.size() < 2 || machine.shm_bytes >= needed) return;
  problems.push_back(
      {Severity::warns,
       "/dev/shm on " + host + " has " + in_words(machine.shm_bytes) + ", but Open MPI needs " + in_words(needed) +
           " there for " + std::to_string(ranks.size()) +
           " ranks: without that it uses TCP, or ranks are killed by SIGBUS",
       "make it larger (docker run --shm-size, mount -o remount,size=…), or set "
       "OMPI_MCA_btl_vader_backing_directory (Open MPI 5: OMPI_MCA_btl_sm_backing_directory) to a local folder"});
}

void look_at_open_files(Problems& problems, const std::string& host, const RanksOfHost& ranks) {
  std::uint64_t fewest = ranks.front()->machine.open_files;
  for (const RankReport* rank : ranks) fewest = std::min(fewest, rank->machine.open_files);
  if (fewest == 0 || fewest >= comfortable_open_files) return;
  problems.push_back({Severity::warns,
                      "processes on " + host + " may have " + std::to_string(fewest) +
                          " open files, and large shared arrays and MPI's connections take one each",
                      "raise the hard limit (ulimit -Hn) where the ranks are started"});
}

}  // namespace

Problems memory_problems(const JobReport& report, const Expectations& expected) {
  Problems problems;
  for (const auto& [host, ranks] : by_host(report)) {
    look_at_memory(problems, host, ranks, expected.needs_python);
    look_at_shared_memory(problems, host, ranks);
    look_at_open_files(problems, host, ranks);
  }
  return problems;
}

}  // namespace joblib_mpi::launch
