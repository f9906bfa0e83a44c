#include "doctor/report_table.hpp"

#include "doctor/byte_count.hpp"
#include "doctor/rank_groups.hpp"
#include "doctor/text_columns.hpp"
#include "probe/number_list.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <map>
#include <set>

namespace joblib_mpi::launch {
namespace {

constexpr std::size_t width = 100;

std::string counted(std::size_t count, const std::string& word) {
  return std::to_string(count) + " " + word + (count == 1 ? "" : "s");
}

std::string cores_of(const MachineFacts& machine) {
  const auto cpus = parse_number_list(machine.cpus);
  std::string text = machine.cpus + " of " + std::to_string(machine.machine_cpus);
  if (machine.cores < static_cast<int>(cpus.size()))
    text += " (" + counted(static_cast<std::size_t>(machine.cores), "core") + ")";
  return text;
}

/// Returns a table with one line per host and kind of rank on it.
std::string hosts_table(const JobReport& report) {
  std::vector<Row> rows{{"HOST", "RANKS", "MAY USE CORES", "MEMORY FREE", "/dev/shm", "OPEN FILES"}};
  for (const auto& [host, ranks] : by_host(report)) {
    // Free memory changes all the time: of ranks with the same limit, the value of the first is shown.
    const auto kinds = ranks_by(ranks, [](const RankReport& rank) {
      const MachineFacts& machine = rank.machine;
      return std::array{cores_of(machine), machine.memory_limit, in_words(machine.shm_bytes),
                        std::to_string(machine.open_files)};
    });
    for (const auto& [kind, numbers] : kinds) {
      const auto first = std::ranges::find(ranks, *numbers.begin(), &RankReport::rank);
      const MachineFacts& machine = (*first)->machine;
      rows.push_back({host, format_number_list(numbers), kind[0],
                      in_words(machine.memory_free_bytes) + " of " + in_words(machine.memory_bytes),
                      machine.shm_bytes == 0 ? "none" : kind[2], kind[3]});
    }
  }
  std::ranges::sort(rows.begin() + 1, rows.end(), {},
                    [](const Row& row) { return *parse_number_list(row[1]).begin(); });
  return aligned(rows);
}

std::string mpi_line(const MpiFacts& mpi) {
  std::string text = mpi.library + ", " + mpi.thread_level;
  text += mpi.ulfm ? ", ULFM on" : mpi.can_ulfm ? ", ULFM off" : ", no ULFM";
  if (mpi.tells) text += mpi.yields ? ", yields its core when idle" : ", does not yield its core";
  return text;
}

std::string python_line(const PythonFacts& python) {
  if (!python.error.empty()) return python.executable + ": " + python.error;
  std::string text = python.version;
  for (const auto& [name, version] : python.packages) text += ", " + name + " " + version;
  return text;
}

/// Returns "NAME  value"; if hosts differ, a line for each value with the hosts that have it.
std::string fact_lines(const JobReport& report, const std::string& name,
                       const std::function<std::string(const RankReport&)>& value) {
  std::vector<std::pair<std::string, std::set<std::string>>> hosts_by_value;
  for (const RankReport& rank : report.ranks) {
    const std::string text = value(rank);
    if (text.empty()) continue;
    const auto found = std::ranges::find(hosts_by_value, text, [](const auto& entry) { return entry.first; });
    auto& hosts = found == hosts_by_value.end() ? hosts_by_value.emplace_back(text, std::set<std::string>{}) : *found;
    hosts.second.insert(rank.host);
  }
  constexpr std::size_t indent = 8;
  std::string lines;
  for (const auto& [text, hosts] : hosts_by_value) {
    const std::string place = hosts_by_value.size() > 1 ? " on " + hosts_in_words(hosts) : "";
    lines += name + std::string(indent - name.size(), ' ') + wrapped(text + place, width, indent) + '\n';
  }
  return lines;
}

std::string spill_line(const JobReport& report) {
  if (report.spill_folder.empty()) return {};
  std::string text = report.spill_folder;
  if (!report.spill_error.empty()) {
    text += ": cannot be used";
  } else {
    text += ", " + in_words(report.spill_free_bytes) + " left";
    const bool shared = std::ranges::all_of(report.ranks, &std::string::empty, &RankReport::spill_error);
    const bool several = by_host(report).size() > 1;
    if (several) text += shared ? ", the same on all hosts" : ", NOT the same on all hosts";
  }
  return "Spill   " + text + '\n';
}

std::string number(double value, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

std::string links_table(const JobReport& report) {
  if (report.links.empty()) return {};
  std::vector<Row> rows{{"FROM RANK 0 TO", "OVER", "LATENCY", "BANDWIDTH"}};
  for (const LinkReport& link : report.links) {
    const auto rank = std::ranges::find(report.ranks, link.rank, &RankReport::rank);
    std::string over = link.transport.empty() ? "unknown" : link.transport;
    std::string through;
    for (const std::string& name : link.through) through += (through.empty() ? "" : ", ") + name;
    if (!through.empty()) over += " (" + through + ")";
    rows.push_back({"rank " + std::to_string(link.rank) + " on " + (rank == report.ranks.end() ? "?" : rank->host),
                    over,
                    link.measured ? number(link.latency_microseconds, link.latency_microseconds < 10 ? 1 : 0) + " us"
                                  : "no answer",
                    link.measured ? number(link.megabytes_per_second, 0) + " MB/s" : ""});
  }
  return "\n" + aligned(rows);
}

std::string problem_lines(const Problems& problems) {
  std::string lines;
  for (const auto& [severity, what, remedy] : problems) {
    const std::string name = severity == Severity::fails   ? "FAILS   "
                             : severity == Severity::warns ? "WARNING "
                                                           : "NOTE    ";
    lines += name + wrapped(what, width, name.size()) + '\n';
    if (!remedy.empty()) lines += "   ->   " + wrapped(remedy, width, name.size()) + '\n';
  }
  return lines;
}

std::string summary(const Examination& examination) {
  const auto count = [&](Severity severity) {
    return static_cast<std::size_t>(std::ranges::count(examination.problems, severity, &Problem::severity));
  };
  const std::size_t failures = count(Severity::fails);
  std::string text = failures == 0 ? "A run would work" : "A run would fail: " + counted(failures, "problem");
  if (const std::size_t warnings = count(Severity::warns)) text += ", " + counted(warnings, "warning");
  if (const std::size_t notes = count(Severity::note)) text += ", " + counted(notes, "note");
  return text + ".\n";
}

}  // namespace

std::string to_table(const Examination& examination, const std::string& command) {
  std::string text;
  if (examination.report) {
    const JobReport& report = *examination.report;
    text += counted(static_cast<std::size_t>(report.size), "rank") + " on " + counted(by_host(report).size(), "host") +
            "\n";
    text += wrapped(command, width, 2) + "\n\n";
    text += hosts_table(report) + "\n";
    text += fact_lines(report, "MPI", [](const RankReport& rank) { return mpi_line(rank.mpi); });
    text += fact_lines(report, "Python", [](const RankReport& rank) {
      return rank.python.executable.empty() ? "" : python_line(rank.python);
    });
    text += spill_line(report);
    text += links_table(report) + "\n";
  } else if (!command.empty()) {
    text += wrapped(command, width, 2) + "\n\n";
  }
  text += problem_lines(examination.problems);
  if (examination.run_would_fail() && !examination.words.empty()) {
    text += "\nMessages of the launcher and the ranks:\n" + examination.words;
  }
  return text + "\n" + summary(examination);
}

}  // namespace joblib_mpi::launch
