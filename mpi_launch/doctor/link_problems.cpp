#include "doctor/problems.hpp"
#include "doctor/rank_groups.hpp"

#include <algorithm>
#include <cstdio>

namespace joblib_mpi::launch {
namespace {

/// The limit inside a host, in µs: shared memory takes below 1, TCP on loopback about 10; two ranks on one core were
/// seen to take 4000.
constexpr double slow_latency_in_a_host = 50;
/// The limit between hosts, in µs: network namespaces were seen to take 7; Ethernet with switches takes 20 to 100.
constexpr double slow_latency_between_hosts = 500;

std::string rounded(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f", value);
  return text;
}

const RankReport* find(const JobReport& report, int rank) {
  const auto found = std::ranges::find(report.ranks, rank, &RankReport::rank);
  return found == report.ranks.end() ? nullptr : &*found;
}

void look_at_link(Problems& problems, const LinkReport& link, const RankReport& from, const RankReport& to) {
  const std::string way = "from rank 0 to rank " + std::to_string(link.rank) + " on " + to.host;
  const bool same_host = from.host == to.host;
  if (!link.measured) {
    problems.push_back(
        {Severity::fails, "messages " + way + " do not arrive",
         "check for a firewall, and name the network that joins the hosts with OMPI_MCA_btl_tcp_if_include=eth0 or "
         "=10.1.0.0/16"});
    return;
  }
  if (same_host && link.transport == "tcp") {
    problems.push_back(
        {Severity::warns, "messages " + way + ", the same host, take TCP instead of shared memory",
         "run all ranks of a host in one container, with a /dev/shm, and do not exclude Open MPI's vader (sm) with "
         "OMPI_MCA_btl"});
  }
  const double slow = same_host ? slow_latency_in_a_host : slow_latency_between_hosts;
  if (link.latency_microseconds > slow) {
    problems.push_back(
        {Severity::warns,
         "a message " + way + " takes " + rounded(link.latency_microseconds) + " us; up to " + rounded(slow) +
             " are usual",
         same_host
             ? "let no two ranks share a core, or set OMPI_MCA_mpi_yield_when_idle=1; check for other load"
             : "name the faster network with OMPI_MCA_btl_tcp_if_include, if there is one; check for other load"});
  }
  if (link.through.size() > 1) {
    std::string names;
    for (const std::string& name : link.through) names += (names.empty() ? "" : ", ") + name;
    problems.push_back({Severity::note, "TCP " + way + " uses several interfaces: " + names,
                        "if one of them is slow, name the other with OMPI_MCA_btl_tcp_if_include"});
  }
}

/// Adds interfaces that have one address on several hosts, such as Docker's bridge: they are private to each host, but
/// Open MPI may take them for a connection.
void look_for_twins(Problems& problems, const JobReport& report) {
  std::map<std::string, std::map<std::string, std::string>> names_by_address;  // then by host
  for (const RankReport& rank : report.ranks) {
    for (const auto& [name, address] : rank.machine.interfaces) names_by_address[address][rank.host] = name;
  }
  for (const auto& [address, names] : names_by_address) {
    if (names.size() < 2) continue;
    const auto& [host, name] = *names.begin();
    problems.push_back({Severity::warns,
                        "interface " + name + " has the same address " + address + " on " + host + " and " +
                            std::next(names.begin())->first +
                            ": messages over it cannot arrive, and MPI may hang while it connects",
                        "exclude it: OMPI_MCA_btl_tcp_if_exclude=lo," + name +
                            ", or name the right interface with "
                            "OMPI_MCA_btl_tcp_if_include"});
  }
}

}  // namespace

Problems link_problems(const JobReport& report) {
  Problems problems;
  const RankReport* const from = find(report, 0);
  if (from == nullptr) return problems;
  bool uses_tcp = false;
  for (const LinkReport& link : report.links) {
    const RankReport* const to = find(report, link.rank);
    if (to == nullptr) continue;
    look_at_link(problems, link, *from, *to);
    uses_tcp = uses_tcp || (to->host != from->host && (link.transport == "tcp" || !link.measured));
  }
  if (uses_tcp && from->mpi.tcp_interfaces.empty()) look_for_twins(problems, report);
  return problems;
}

}  // namespace joblib_mpi::launch
