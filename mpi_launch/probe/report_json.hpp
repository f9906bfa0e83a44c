#pragma once

#include "probe/report.hpp"

#include <nlohmann/json.hpp>

namespace joblib_mpi::launch {

// Conversions between these types and JSON objects with fields of the same names.

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(NetworkInterface, name, address)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(MachineFacts, cpus, cores, machine_cpus, memory_bytes, memory_free_bytes,
                                   memory_limit, shm_bytes, shm_free_bytes, open_files, interfaces)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(MpiFacts, library, file, thread_level, layer, tells, yields, tcp_interfaces,
                                   can_ulfm, ulfm)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PythonFacts, executable, version, mpi_file, packages, error)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RankReport, rank, host, pid, probe, machine, mpi, python, spill_error)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LinkReport, rank, transport, through, measured, latency_microseconds,
                                   megabytes_per_second)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(JobReport, size, ranks, links, spill_folder, spill_free_bytes, spill_error)

}  // namespace joblib_mpi::launch
