// joblib-mpi-probe, the program that `joblib-mpi doctor` starts on all ranks. Each rank examines its machine, its
// Python and its MPI; rank 0 collects the reports, measures the links to other ranks, and prints all of it for the
// command.

#include "core/deadline_guard.hpp"
#include "core/program_identity.hpp"
#include "mpi/mpi_lifetime.hpp"
#include "probe/attendance.hpp"
#include "probe/mpi_ping_pong.hpp"
#include "probe/mpi_text_messages.hpp"
#include "probe/partners.hpp"
#include "probe/probe_options.hpp"
#include "probe/rank_facts.hpp"
#include "probe/report_json.hpp"
#include "probe/report_lines.hpp"
#include "probe/spill_mark.hpp"
#include "probe/tcp_connections.hpp"
#include "spill/result_store.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string_view>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>

namespace joblib_mpi::launch {
namespace {

constexpr int report_tag = 1;
constexpr int order_tag = 2;
constexpr int spill_tag = 3;

/// The orders of rank 0 to other ranks. Any other text names a file in the spill folder to look at, with its content.
const std::string measure = "measure";
const std::string leave = "leave";

/// The time for all links together, and the shortest and longest time for one. The longest suffices for a stable
/// median.
constexpr double links_seconds = 10.0;
constexpr double least_link_seconds = 0.02;
constexpr double most_link_seconds = 0.4;
/// The time after which a link counts as broken. Chosen, not measured: TCP tries for minutes.
constexpr double dead_link_seconds = 15.0;

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(descriptor, text.data(), text.size());
    if (size <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
}

/// Writes the line in one piece, since all ranks may write at the same time.
void tell(Stage stage) {
  write_all(STDERR_FILENO, stage_line(this_process(), stage));
}

const char* first_variable(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name)) return value;
  }
  return nullptr;
}

/// Returns whether this rank does the work that only one rank per host has to do. Before MPI_Init only the launcher's
/// variables tell; without them every rank does it.
bool is_first_of_host() {
  const char* local = first_variable({"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"});
  return local == nullptr || std::string_view(local) == "0";
}

/// Makes Open MPI report on rank 0's standard error which transport it uses to each rank. To be called before MPI_Init.
void ask_for_transports() {
  const char* rank = first_variable({"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"});
  if (rank == nullptr || std::string_view(rank) == "0") setenv("OMPI_MCA_btl_base_verbose", "1", 0);
}

/// Returns the names of this host's interfaces over which the TCP connections to `partner`'s host go.
std::vector<std::string> interfaces_to(const RankReport& partner, const RankReport& own) {
  std::vector<std::string> names;
  for (const TcpConnection& connection : own_tcp_connections()) {
    const auto has = [](const std::vector<NetworkInterface>& interfaces, const std::string& address) {
      return std::ranges::find(interfaces, address, &NetworkInterface::address);
    };
    if (has(partner.machine.interfaces, connection.remote) == partner.machine.interfaces.end()) continue;
    const auto interface = has(own.machine.interfaces, connection.local);
    if (interface == own.machine.interfaces.end()) continue;
    if (std::ranges::find(names, interface->name) == names.end()) names.push_back(interface->name);
  }
  return names;
}

/// One rank of the job that examines itself.
class Probe {
 public:
  explicit Probe(ProbeOptions options) : options_(std::move(options)) {}

  int run() {
    tell(Stage::started);
    own_.pid = getpid();
    own_.probe = program_identity();
    if (!options_.python.empty() && is_first_of_host()) {
      tell(Stage::asks_python);
      own_.python = ask_python(options_.python, options_.wait_seconds);
    }
    ask_for_transports();
    tell(Stage::initialises);
    lifetime_ = std::make_unique<MpiLifetime>(2 * options_.wait_seconds);  // others may still ask Python
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    tell(Stage::joined);
    MPI_Comm_rank(MPI_COMM_WORLD, &own_.rank);
    own_.host = boost::mpi::environment::processor_name();
    own_.machine = machine_facts();
    own_.mpi = mpi_facts();
    return own_.rank == 0 ? lead() : follow();
  }

 private:
  int lead() {
    JobReport report;
    MPI_Comm_size(MPI_COMM_WORLD, &report.size);
    report.ranks.push_back(own_);
    for (const auto& [rank, json] : messages_.receive_from_others(report_tag, options_.wait_seconds)) {
      report.ranks.push_back(nlohmann::json::parse(json).get<RankReport>());
    }
    const bool complete = static_cast<int>(report.ranks.size()) == report.size;
    if (complete) {
      check_spill_folder(report);
      for (const int partner : partners_of_rank_0(report.ranks)) report.links.push_back({.rank = partner});
    }
    print(report);  // in case a broken link ends the measurement
    if (!complete) {
      wait_until_read();
      MPI_Abort(MPI_COMM_WORLD, 1);
    }
    if (!report.links.empty()) {
      for (LinkReport& link : report.links) measure_way(link, report);
      print(report);
    }
    for (int rank = 1; rank < report.size; ++rank) messages_.send(rank, order_tag, leave, options_.wait_seconds);
    return 0;
  }

  int follow() {
    if (!messages_.send(0, report_tag, nlohmann::json(own_).dump(-1, ' ', true, replace), patience())) return give_up();
    for (;;) {
      const auto order = messages_.receive(0, order_tag, patience());
      if (!order) return give_up();
      if (*order == leave) return 0;
      if (*order == measure) {
        answer_ping_pong(MPI_COMM_WORLD, 0, large_bytes());
      } else {
        const auto mark = nlohmann::json::parse(*order);
        messages_.send(0, spill_tag, look_at_mark(mark.at("file").get<std::string>(), mark.at("content")), patience());
      }
    }
  }

  /// Checks that all ranks see the file that rank 0 makes in the spill folder, and can write there.
  void check_spill_folder(JobReport& report) const {
    const bool one_host = std::ranges::all_of(report.ranks, [&](const auto& rank) { return rank.host == own_.host; });
    report.spill_folder = options_.spill_folder.empty() ? default_spill_folder(one_host) : options_.spill_folder;
    try {
      const SpillMark mark(report.spill_folder);
      report.spill_folder = std::filesystem::path(mark.file()).parent_path().string();
      report.spill_free_bytes = mark.free_bytes();
      const std::string order = nlohmann::json{{"file", mark.file()}, {"content", mark.content()}}.dump();
      for (int rank = 1; rank < report.size; ++rank) messages_.send(rank, order_tag, order, options_.wait_seconds);
      for (auto& [rank, verdict] : messages_.receive_from_others(spill_tag, options_.wait_seconds)) {
        report.ranks[static_cast<std::size_t>(rank)].spill_error = std::move(verdict);
      }
    } catch (const SpillError& error) {
      report.spill_error = error.what();
    }
  }

  void measure_way(LinkReport& link, const JobReport& report) {
    const RankReport& partner = report.ranks[static_cast<std::size_t>(link.rank)];
    const DeadlineGuard guard({.seconds = dead_link_seconds,
                               .operation = this_process() + ": measuring the way to rank " +
                                            std::to_string(link.rank) + " on " + partner.host});
    const double seconds =
        std::clamp(links_seconds / static_cast<double>(report.links.size()), least_link_seconds, most_link_seconds);
    messages_.send(link.rank, order_tag, measure, dead_link_seconds);
    const LinkSpeed speed = measure_link(MPI_COMM_WORLD, link.rank, large_bytes(), seconds);
    link.measured = true;
    link.latency_microseconds = speed.latency_microseconds;
    link.megabytes_per_second = speed.megabytes_per_second;
    link.through = interfaces_to(partner, own_);
  }

  void print(const JobReport& report) const {
    write_all(STDOUT_FILENO, to_lines(report, own_.host + ':' + std::to_string(own_.pid)));
  }

  /// Waits until the launcher has read the report: MPI_Abort would discard the rest.
  static void wait_until_read() {
    for (int look = 0; look < 20; ++look) {
      int unread = 0;
      if (ioctl(STDOUT_FILENO, FIONREAD, &unread) != 0 || unread == 0) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }

  /// Leaves without MPI_Finalize, because rank 0 is dead or is about to end the job. Returns the exit status.
  int give_up() {
    lifetime_->leave_unfinalised();
    return 1;
  }

  /// The time that other ranks wait for rank 0: longer than rank 0 waits, so that it can report who is missing.
  [[nodiscard]] double patience() const { return options_.wait_seconds + links_seconds + 2 * dead_link_seconds; }
  [[nodiscard]] std::size_t large_bytes() const { return options_.megabytes * 1'000'000; }

  static constexpr auto replace = nlohmann::json::error_handler_t::replace;

  const ProbeOptions options_;
  std::unique_ptr<MpiLifetime> lifetime_;
  const TextMessages messages_{MPI_COMM_WORLD};
  RankReport own_;
};

}  // namespace
}  // namespace joblib_mpi::launch

int main(int argc, char** argv) {
  using namespace joblib_mpi;
  try {
    return launch::Probe(launch::probe_options_from({argv + 1, argv + argc})).run();
  } catch (const std::exception& error) {
    launch::write_all(STDERR_FILENO, "joblib-mpi-probe: " + this_process() + ": " + error.what() + "\n");
    if (boost::mpi::environment::initialized() && !boost::mpi::environment::finalized()) MPI_Abort(MPI_COMM_WORLD, 1);
    return 1;
  }
}
