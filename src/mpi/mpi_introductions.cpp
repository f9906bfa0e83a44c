#include "mpi/mpi_introductions.hpp"

#include "core/clock_duration.hpp"
#include "core/fixed_text.hpp"
#include "core/process_watch.hpp"
#include "mpi/mpi_abandoned_memory.hpp"
#include "mpi/mpi_check.hpp"
#include "mpi/mpi_failures.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <sstream>
#include <thread>

namespace joblib_mpi {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int introduction_tag = 1;
constexpr int verdict_tag = 2;

/// The time that rank 0's verdict may take to arrive after rank 0's own wait. Chosen, not measured.
constexpr double verdict_seconds = 5.0;

/// The pause between two polls for ranks that have joined.
constexpr std::chrono::microseconds look_pause{100};

/// The message of each rank to rank 0. Its format never changes, so that ranks of different versions understand each
/// other.
struct Introduction {
  std::array<char, MPI_MAX_PROCESSOR_NAME> host{};
  std::array<char, 400> identity{};
};

/// The first character of rank 0's answer. In a welcome, the rest is rank 0's process and all hosts, one per line;
/// otherwise it is the reason for the refusal.
enum class Verdict : char { welcome = '+', different = 'v', incomplete = '-' };

Clock::time_point after(double seconds) {
  return Clock::now() + clock_duration(seconds);
}

std::string in_seconds(double seconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g s", seconds);
  return text.data();
}

/// A pending message to or from one rank.
struct Exchange {
  int rank;
  MPI_Request request = MPI_REQUEST_NULL;
  bool done = false;
};

/// Polls until all exchanges are complete. Returns false once the deadline is over or a rank is dead.
bool complete(MPI_Comm communicator, std::vector<Exchange>& exchanges, Clock::time_point deadline) {
  for (;;) {
    // Before the polls: messages that a rank sent before its death have arrived by then.
    const bool last_look = Clock::now() >= deadline || !dead_ranks(communicator).empty();
    for (Exchange& exchange : exchanges) {
      if (exchange.done) continue;
      int done = 0;
      const int code = MPI_Test(&exchange.request, &done, MPI_STATUS_IGNORE);
      if (is_rank_failure(code)) return false;
      check_mpi(code, "MPI_Test");
      exchange.done = done != 0;
    }
    if (std::ranges::all_of(exchanges, &Exchange::done)) return true;
    if (last_look) return false;
    std::this_thread::sleep_for(look_pause);
  }
}

std::string missing_ranks(const std::vector<Exchange>& exchanges) {
  std::string names;
  for (const Exchange& exchange : exchanges) {
    if (!exchange.done) names += (names.empty() ? "rank " : ", rank ") + std::to_string(exchange.rank);
  }
  return names;
}

std::string verdict_on(const std::vector<Introduction>& all) {
  std::string welcome = static_cast<char>(Verdict::welcome) + own_process() + '\n';
  const Introduction& rank_0 = all.front();
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const Introduction& other = all[rank];
    if (other.identity != rank_0.identity) {
      return std::string(1, static_cast<char>(Verdict::different)) + "rank " + std::to_string(rank) + " on " +
             text_of(other.host) + " runs \"" + text_of(other.identity) + "\", rank 0 on " + text_of(rank_0.host) +
             " runs \"" + text_of(rank_0.identity) + "\"; start the same program and versions on all ranks";
    }
    welcome += text_of(other.host) + '\n';
  }
  return welcome;
}

/// Receives all introductions, on rank 0, and answers the ranks whose introduction has arrived. Returns the verdict.
std::string give_verdict(MPI_Comm communicator, const Introduction& own, int size, double limit_seconds) {
  const auto all = std::make_shared<std::vector<Introduction>>(static_cast<std::size_t>(size));
  all->front() = own;
  std::vector<Exchange> arrivals;
  for (int rank = 1; rank < size; ++rank) {
    Exchange& arrival = arrivals.emplace_back(Exchange{rank});
    const int code = MPI_Irecv(&(*all)[static_cast<std::size_t>(rank)], sizeof(Introduction), MPI_BYTE, rank,
                               introduction_tag, communicator, &arrival.request);
    if (!is_rank_failure(code)) check_mpi(code, "MPI_Irecv");
  }
  auto verdict = std::make_shared<std::string>();
  if (complete(communicator, arrivals, after(limit_seconds))) {
    *verdict = verdict_on(*all);
  } else {
    abandon_to_mpi(all);
    *verdict =
        static_cast<char>(Verdict::incomplete) + missing_ranks(arrivals) + " has not joined within " +
        in_seconds(limit_seconds) +
        " or was lost while the ranks joined; look for its own message (JOBLIB_MPI_START_SECONDS changes the wait)";
  }

  std::vector<Exchange> answers;
  for (const Exchange& arrival : arrivals) {
    if (!arrival.done) continue;
    Exchange& answer = answers.emplace_back(Exchange{arrival.rank});
    const int code = MPI_Isend(verdict->data(), static_cast<int>(verdict->size()), MPI_BYTE, arrival.rank, verdict_tag,
                               communicator, &answer.request);
    if (!is_rank_failure(code)) check_mpi(code, "MPI_Isend");
  }
  if (!complete(communicator, answers, after(verdict_seconds))) {
    abandon_to_mpi(verdict);
    throw MpiError(missing_ranks(answers) + " was lost while the ranks joined");
  }
  return *verdict;
}

/// Sends the introduction of this rank, which is not 0, and returns rank 0's verdict.
std::string ask_for_verdict(MPI_Comm communicator, const Introduction& own, double limit_seconds) {
  const auto deadline = after(limit_seconds + verdict_seconds);
  const auto introduction = std::make_shared<const Introduction>(own);
  const auto lost = [&] {
    abandon_to_mpi(introduction);
    return MpiError("rank 0 was lost while the ranks joined, or does not answer");
  };
  std::vector<Exchange> exchanges{Exchange{0}};
  int code = MPI_Isend(introduction.get(), sizeof *introduction, MPI_BYTE, 0, introduction_tag, communicator,
                       &exchanges.front().request);
  if (is_rank_failure(code)) throw lost();
  check_mpi(code, "MPI_Isend");

  MPI_Status status;
  for (int arrived = 0; arrived == 0;) {
    code = MPI_Iprobe(0, verdict_tag, communicator, &arrived, &status);
    if (is_rank_failure(code) || Clock::now() >= deadline) throw lost();
    check_mpi(code, "MPI_Iprobe");
    if (arrived == 0) std::this_thread::sleep_for(look_pause);
  }
  int size = 0;
  check_mpi(MPI_Get_count(&status, MPI_BYTE, &size), "MPI_Get_count");
  const auto verdict = std::make_shared<std::string>(static_cast<std::size_t>(size), ' ');
  exchanges.push_back(Exchange{0});
  code = MPI_Irecv(verdict->data(), size, MPI_BYTE, 0, verdict_tag, communicator, &exchanges.back().request);
  if (!is_rank_failure(code)) check_mpi(code, "MPI_Irecv");
  if (!complete(communicator, exchanges, deadline)) {
    abandon_to_mpi(verdict);
    throw lost();
  }
  return *verdict;
}

}  // namespace

RankDirectory introduce_ranks(MPI_Comm communicator, const std::string& host, const std::string& identity,
                              double limit_seconds) {
  int rank = 0;
  int size = 0;
  check_mpi(MPI_Comm_rank(communicator, &rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(communicator, &size), "MPI_Comm_size");
  Introduction own;
  set_text(own.host, host);
  set_text(own.identity, identity);
  const std::string verdict = rank == 0 ? give_verdict(communicator, own, size, limit_seconds)
                                        : ask_for_verdict(communicator, own, limit_seconds);
  const std::string text = verdict.substr(1);
  if (verdict.front() == static_cast<char>(Verdict::different)) throw VersionMismatch(text);
  if (verdict.front() != static_cast<char>(Verdict::welcome)) throw MpiError(text);
  RankDirectory directory;
  std::istringstream lines(text);
  std::getline(lines, directory.rank_0_process);
  for (std::string line; std::getline(lines, line);) directory.hosts.push_back(line);
  return directory;
}

}  // namespace joblib_mpi
