#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

struct NetworkInterface {
  std::string name;
  std::string address;  ///< IPv4

  friend bool operator==(const NetworkInterface&, const NetworkInterface&) = default;
};

/// What a process sees of its machine, without MPI.
struct MachineFacts {
  std::string cpus;                     ///< that it may run on, as the kernel lists them: "0-3,8"
  int cores = 0;                        ///< how many cores these are; two hardware threads of one count once
  int machine_cpus = 0;                 ///< that the machine has
  std::uint64_t memory_bytes = 0;       ///< of the machine, or of the memory cgroup that leaves least
  std::uint64_t memory_free_bytes = 0;  ///< of these
  std::string memory_limit;             ///< what sets it, in words
  std::uint64_t shm_bytes = 0;          ///< of /dev/shm; 0 if there is none
  std::uint64_t shm_free_bytes = 0;
  std::uint64_t open_files = 0;              ///< that the process may have
  std::vector<NetworkInterface> interfaces;  ///< that are up, loopback excepted

  friend bool operator==(const MachineFacts&, const MachineFacts&) = default;
};

/// What a rank sees of MPI.
struct MpiFacts {
  std::string library;       ///< "Open MPI v4.1.4"
  std::string file;          ///< the library that was loaded
  std::string thread_level;  ///< "MPI_THREAD_SERIALIZED"
  std::string layer;   ///< Open MPI's message layer: "ob1" (shared memory, TCP), "cm", "ucx"; empty if it does not tell
  bool tells = false;  ///< whether the next two are known
  bool yields = false;         ///< whether MPI gives its core away while it waits
  std::string tcp_interfaces;  ///< to which TCP was limited; empty: all
  bool can_ulfm = false;       ///< whether the library has ULFM
  bool ulfm = false;           ///< whether it is switched on

  friend bool operator==(const MpiFacts&, const MpiFacts&) = default;
};

/// What the Python of a host says of itself.
struct PythonFacts {
  std::string executable;  ///< empty: it was not asked on this rank
  std::string version;
  std::string mpi_file;                         ///< the MPI library that joblib_mpi loads
  std::map<std::string, std::string> packages;  ///< version by name; those that are not there are missing
  std::string error;                            ///< why it cannot be used; empty if it can

  friend bool operator==(const PythonFacts&, const PythonFacts&) = default;
};

struct RankReport {
  int rank = 0;
  std::string host;
  int pid = 0;
  std::string probe;  ///< its own version
  MachineFacts machine;
  MpiFacts mpi;
  PythonFacts python;
  std::string spill_error;  ///< why results cannot go through the spill folder; empty if they can

  friend bool operator==(const RankReport&, const RankReport&) = default;
};

/// The way from rank 0 to another rank.
struct LinkReport {
  int rank = 0;
  std::string transport = {};             ///< Open MPI's name for it: "vader", "sm", "tcp", …; empty if not told
  std::vector<std::string> through = {};  ///< the interfaces of its TCP connections
  bool measured = false;
  double latency_microseconds = 0;  ///< one way, the median
  double megabytes_per_second = 0;

  friend bool operator==(const LinkReport&, const LinkReport&) = default;
};

/// What the ranks of one job found.
struct JobReport {
  int size = 0;                   ///< ranks as MPI counts them
  std::vector<RankReport> ranks;  ///< those that have reported, by rank
  std::vector<LinkReport> links;  ///< from rank 0, by rank
  std::string spill_folder;
  std::uint64_t spill_free_bytes = 0;
  std::string spill_error;  ///< why rank 0 cannot make a file there

  friend bool operator==(const JobReport&, const JobReport&) = default;
};

}  // namespace joblib_mpi::launch
