#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// A network interface of a host.
struct NetworkInterface {
  std::string name;
  std::string address;  ///< IPv4

  friend bool operator==(const NetworkInterface&, const NetworkInterface&) = default;
};

/// The facts that a process sees of its machine, without MPI.
struct MachineFacts {
  std::string cpus;                ///< hardware threads that the process may run on, in the kernel's notation: "0-3,8"
  int cores = 0;                   ///< number of their cores; two hardware threads of a core count once
  int machine_cpus = 0;            ///< hardware threads of the machine
  std::uint64_t memory_bytes = 0;  ///< of the machine, or of the memory cgroup that leaves the least
  std::uint64_t memory_free_bytes = 0;  ///< the part of memory_bytes that is free
  std::string memory_limit;             ///< what limits the memory, in words
  std::uint64_t shm_bytes = 0;          ///< size of /dev/shm; 0 if there is none
  std::uint64_t shm_free_bytes = 0;
  std::uint64_t open_files = 0;              ///< number of open files that a rank may have
  std::vector<NetworkInterface> interfaces;  ///< those that are up, except loopback

  friend bool operator==(const MachineFacts&, const MachineFacts&) = default;
};

/// The facts that a rank sees of its MPI library.
struct MpiFacts {
  std::string library;         ///< "Open MPI v4.1.4"
  std::string file;            ///< path of the library that was loaded
  std::string thread_level;    ///< "MPI_THREAD_SERIALIZED"
  std::string layer;           ///< Open MPI's message layer: "ob1" (shared memory, TCP), "cm", "ucx"; empty if unknown
  bool tells = false;          ///< whether the library reports `yields` and `tcp_interfaces`
  bool yields = false;         ///< whether MPI yields its core while it waits
  std::string tcp_interfaces;  ///< interfaces to which TCP is limited; empty: all
  bool can_ulfm = false;       ///< whether the library has ULFM
  bool ulfm = false;           ///< whether ULFM is switched on

  friend bool operator==(const MpiFacts&, const MpiFacts&) = default;
};

/// The facts that a Python interpreter reports about itself.
struct PythonFacts {
  std::string executable;  ///< empty: this rank has not asked it
  std::string version;
  std::string mpi_file;                         ///< the MPI library that joblib_mpi loads
  std::map<std::string, std::string> packages;  ///< version by name; packages that are not installed are missing
  std::string error;                            ///< why it cannot be used; empty if it can

  friend bool operator==(const PythonFacts&, const PythonFacts&) = default;
};

/// The facts that one rank reports.
struct RankReport {
  int rank = 0;
  std::string host;
  int pid = 0;
  std::string probe;  ///< version and build of the probe
  MachineFacts machine;
  MpiFacts mpi;
  PythonFacts python;
  std::string spill_error;  ///< why results cannot go through the spill folder; empty if they can

  friend bool operator==(const RankReport&, const RankReport&) = default;
};

/// The link from rank 0 to another rank.
struct LinkReport {
  int rank = 0;
  std::string transport = {};             ///< Open MPI's name for it: "vader", "sm", "tcp", …; empty if unknown
  std::vector<std::string> through = {};  ///< names of the interfaces of its TCP connections
  bool measured = false;
  double latency_microseconds = 0;  ///< one way, the median
  double megabytes_per_second = 0;

  friend bool operator==(const LinkReport&, const LinkReport&) = default;
};

/// The facts that the ranks of one job report.
struct JobReport {
  int size = 0;                   ///< number of ranks according to MPI
  std::vector<RankReport> ranks;  ///< reports that arrived, by rank
  std::vector<LinkReport> links;  ///< from rank 0, by rank
  std::string spill_folder;
  std::uint64_t spill_free_bytes = 0;
  std::string spill_error;  ///< why rank 0 cannot make a file in the folder; empty if it can

  friend bool operator==(const JobReport&, const JobReport&) = default;
};

}  // namespace joblib_mpi::launch
