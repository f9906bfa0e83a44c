#pragma once

#include "doctor/diagnosis.hpp"
#include "probe/report.hpp"

#include <algorithm>
#include <string>

namespace joblib_mpi::launch::test {

inline constexpr std::uint64_t gibibyte = std::uint64_t{1} << 30;

inline RankReport healthy_rank(int rank, const std::string& host, const std::string& cpus) {
  RankReport report;
  report.rank = rank;
  report.host = host;
  report.pid = 100 + rank;
  report.probe = "joblib_mpi 0.1.0, joblib-mpi-probe (build 12ab)";
  report.machine.cpus = cpus;
  report.machine.cores = 1;
  report.machine.machine_cpus = 2;
  report.machine.memory_bytes = 16 * gibibyte;
  report.machine.memory_free_bytes = 12 * gibibyte;
  report.machine.memory_limit = "the machine's memory";
  report.machine.shm_bytes = 8 * gibibyte;
  report.machine.shm_free_bytes = 8 * gibibyte;
  report.machine.open_files = 65536;
  report.machine.interfaces = {{"eth0", "10.1.0." + host.substr(1)}};
  report.mpi.library = "Open MPI v5.0.7";
  report.mpi.file = "/usr/lib/libmpi.so.40";
  report.mpi.thread_level = "MPI_THREAD_SERIALIZED";
  report.mpi.layer = "ob1";
  report.mpi.tells = true;
  report.mpi.can_ulfm = true;
  report.mpi.ulfm = true;
  return report;
}

inline PythonFacts healthy_python() {
  PythonFacts python;
  python.executable = "/env/bin/python";
  python.version = "3.11.2";
  python.mpi_file = "/usr/lib/libmpi.so.40";
  python.packages = {{"joblib_mpi", "0.1.0"}, {"joblib", "1.4.2"}, {"cloudpickle", "3.1.0"}, {"numpy", "2.1.0"}};
  return python;
}

/// Returns the report of two ranks on each of n1 and n2, without any problem.
inline JobReport healthy_job() {
  JobReport job;
  job.size = 4;
  job.ranks = {healthy_rank(0, "n1", "0"), healthy_rank(1, "n1", "1"), healthy_rank(2, "n2", "0"),
               healthy_rank(3, "n2", "1")};
  job.ranks[0].python = job.ranks[2].python = healthy_python();
  job.links = {
      {.rank = 1, .transport = "sm", .measured = true, .latency_microseconds = 0.3, .megabytes_per_second = 9000},
      {.rank = 2,
       .transport = "tcp",
       .through = {"eth0"},
       .measured = true,
       .latency_microseconds = 12,
       .megabytes_per_second = 1100}};
  job.spill_folder = "/scratch/me";
  job.spill_free_bytes = 500 * gibibyte;
  return job;
}

inline Expectations four_ranks() {
  return {.ranks = 4,
          .threads_per_rank = 1,
          .launcher = {"Open MPI", "5.0.7", 5},
          .needs_python = true,
          .chosen_spill_folder = true};
}

inline bool says(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

}  // namespace joblib_mpi::launch::test
