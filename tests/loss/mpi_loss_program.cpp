// A program whose last rank (or rank 0) kills itself while the transport works. The other ranks must continue
// undisturbed; if they do, rank 0 prints "survivors: right".

#include "mpi/mpi_failures.hpp"
#include "mpi/mpi_world.hpp"
#include "segments/wake_page.hpp"
#include "session/mpi_rank.hpp"
#include "support/bytes.hpp"
#include "transport/mpi_transport.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr std::size_t large = std::size_t{32} << 20;

[[noreturn]] void die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "WRONG: %s\n", what);
  _exit(9);
}

/// Returns whether the process has ended, reaped or not.
bool has_ended(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return true;
  return text[text.rfind(')') + 2] == 'Z';
}

/// Returns whether the process has closed its connections: its first thread may be a zombie before the others end.
bool has_ended_with_all_threads(pid_t pid) {
  if (!has_ended(pid)) return false;
  std::error_code gone;
  const std::filesystem::directory_iterator threads("/proc/" + std::to_string(pid) + "/task", gone);
  return gone || std::distance(begin(threads), end(threads)) <= 1;
}

class TransportRank {
 public:
  TransportRank() : world_({.identity = "loss", .start_seconds = 120}), victim_(world_.size() - 1) {
    transport_.emplace(world_.communicator(), std::size_t{1} << 20);
    learn_pids();
  }

  /// Ends the job as a session does.
  void leave() {
    const bool lost = !transport_->lost_ranks().empty();
    if (lost) world_.leave_without_lost_ranks();
    world_.set_exit_status(0);
    transport_.reset();
    if (rank() != (victim_ == 0 ? 1 : 0)) return;
    std::puts("survivors: right");
    std::fflush(nullptr);
    if (lost && !mpi_tells_of_dead_ranks()) world_.abort(0);
  }

  [[nodiscard]] int rank() const { return world_.rank(); }
  [[nodiscard]] bool is_victim() const { return rank() == victim_; }
  MpiTransport& transport() { return *transport_; }

  /// Waits until rank 0 learns of the victim's death: from MPI if it reports deaths, or else because the process has
  /// ended.
  void lose(int lost) {
    victim_ = lost;
    if (mpi_tells_of_dead_ranks()) {
      std::vector<int> ranks;
      while (ranks.empty()) {
        expect_whole_frame();
        ranks = transport_->take_lost_ranks();
      }
      expect(ranks == std::vector<int>{lost}, "the dead rank is reported, and no other rank");
    } else {
      while (!has_ended(pids_[lost])) expect_whole_frame();
      transport_->give_up(lost);
    }
    expect(transport_->take_lost_ranks().empty(), "a loss is reported once");
    expect(transport_->lost_ranks() == std::vector<int>{lost}, "a loss is remembered");
    send(lost, 10, large);
    expect(transport_->take_lost_ranks().empty(), "sends to the dead go nowhere");
  }

  /// Waits, on rank 0 and without MPI, until the process of another rank has ended.
  void wait_for_end_of(int other) const {
    while (!has_ended_with_all_threads(pids_.at(other))) std::this_thread::yield();
  }

  /// Waits for the other survivors, since a rank that leaves is dead to the others.
  void meet() const {
    const int size = world_.size();
    int nothing = 0;
    for (int other = 0; other < size; ++other) {
      if (other != rank() && other != victim_) MPI_Send(&nothing, 1, MPI_INT, other, 0, MPI_COMM_WORLD);
    }
    for (int other = 0; other < size; ++other) {
      if (other == rank() || other == victim_) continue;
      MPI_Recv(&nothing, 1, MPI_INT, other, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
  }

  /// Sends large and small frames to all survivors and back. The others return when rank 0 has all of theirs: a rank
  /// that leaves is dead to MPI, which then may throw away what has come from it.
  void talk(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      if (rank() != 0) {
        wait_for_frame(0);
        send(0, 20, 300'000);
        continue;
      }
      for (int other = 1; other < victim_; ++other) send(other, 20, 300'000);
      for (int other = 1; other < victim_; ++other) wait_for_frame();
    }
    if (rank() != 0) return wait_for_farewell();
    for (int other = 1; other < victim_; ++other) send(other, 10, 0);
  }

  void settle() {
    while (!transport_->quiet()) expect_no_frame();
  }

  void send(int destination, std::size_t body, std::size_t part) {
    Frame frame{pattern(body, 1), {}};
    if (part > 0) frame.parts.emplace_back(pattern(part, 2));
    transport_->send(destination, frame);
  }

  void wait_for_frame(std::optional<int> source = {}) {
    for (;;) {
      const auto arrived = transport_->receive();
      if (!arrived) continue;
      expect(!source || arrived->source == *source, "a frame comes from whom it should");
      expect(arrived->source != victim_, "no frame comes from the dead");
      expect_whole(arrived->frame);
      return;
    }
  }

 private:
  /// Waits for a frame of rank 0 after which it may leave, or has left.
  void wait_for_farewell() {
    for (;;) {
      if (const auto arrived = transport_->receive()) return expect_whole(arrived->frame);
      for (const int lost : transport_->take_lost_ranks()) {
        if (lost == 0) return;
      }
      if (!mpi_tells_of_dead_ranks() && has_ended(pids_.at(0))) return;
    }
  }

  static void expect_whole(const FrameView& frame) {
    expect(is_pattern(frame.body, frame.body.size(), 1), "a body is whole");
    for (const SharedBytes& part : frame.parts) {
      expect(is_pattern(part.view(), part.size(), 2), "a part is whole");
      expect(reinterpret_cast<std::uintptr_t>(part.view().data()) % 16 == 0, "a part is aligned");
    }
  }

  /// Receives from the victim: what it has sent may arrive whole before its death is known.
  void expect_whole_frame() {
    if (const auto arrived = transport_->receive()) expect_whole(arrived->frame);
    std::this_thread::yield();
  }

  void expect_no_frame() {
    expect(!transport_->receive(), "no frame arrives");
    std::this_thread::yield();
  }

  void learn_pids() {
    const pid_t own = getpid();
    if (rank() != 0) {
      Frame frame{Bytes(sizeof own), {}};
      std::memcpy(frame.body.data(), &own, sizeof own);
      transport_->send(0, frame);
      // If MPI does not report deaths, the other ranks find out the same way, from its process, that rank 0 has died.
      for (;;) {
        if (const auto arrived = transport_->receive()) {
          std::memcpy(&pids_[0], arrived->frame.body.data(), sizeof own);
          return;
        }
      }
    }
    for (int count = 1; count < world_.size();) {
      if (const auto arrived = transport_->receive()) {
        std::memcpy(&pids_[arrived->source], arrived->frame.body.data(), sizeof own);
        ++count;
      }
    }
    for (int other = 1; other < world_.size(); ++other) {
      Frame frame{Bytes(sizeof own), {}};
      std::memcpy(frame.body.data(), &own, sizeof own);
      transport_->send(other, frame);
    }
    while (!transport_->quiet()) transport_->progress();
  }

  MpiWorld world_;
  int victim_;
  std::optional<MpiTransport> transport_;
  std::map<int, pid_t> pids_;
};

void die_idle(TransportRank& self) {
  if (self.is_victim()) die();
  if (self.rank() == 0) self.lose(self.transport().size() - 1);
  self.talk(20);
  self.settle();
}

void die_before_receiving(TransportRank& self) {
  const int victim = self.transport().size() - 1;
  if (self.is_victim()) die();
  if (self.rank() == 0) {
    for (int count = 0; count < 4; ++count) self.send(victim, 5'000, large);
    for (int count = 0; count < 100; ++count) self.send(victim, 100, 0);
    self.lose(victim);
    expect(self.transport().quiet(), "nothing is under way to the dead");
  }
  self.talk(20);
  self.settle();
}

void die_before_sends(TransportRank& self) {
  const int victim = self.transport().size() - 1;
  if (self.is_victim()) {
    self.wait_for_frame(0);
    die();
  }
  if (self.rank() == 0) {
    self.send(victim, 10, 0);
    self.wait_for_end_of(victim);
    // Until MPI has read that the connection is closed, the operating system refuses what MPI writes to it.
    for (int count = 0; count < 10; ++count) self.send(victim, 100, 0);
    self.lose(victim);
    expect(self.transport().quiet(), "nothing is under way to the dead");
  }
  self.talk(20);
  self.settle();
}

void die_while_sending(TransportRank& self) {
  if (self.is_victim()) {
    // The first message of the frame is sent now, its part only once rank 0 asks for it.
    self.send(0, 10, large);
    die();
  }
  if (self.rank() == 0) {
    self.lose(self.transport().size() - 1);
  }
  self.talk(20);
  self.settle();
}

void die_in_a_broadcast(TransportRank& self) {
  if (self.is_victim()) die();
  const auto memory = std::make_shared<Bytes>(large);
  for (int count = 0; count < 3; ++count) (void)self.transport().broadcast(*memory, memory);
  if (self.rank() == 0) self.lose(self.transport().size() - 1);
  self.talk(5);
  self.transport().end_broadcasts();
  self.talk(20);
  self.settle();
}

void rank_0_dies(TransportRank& self) {
  if (self.rank() == 0) die();
  self.send(0, 5'000, large);
  self.lose(0);
  expect(self.transport().quiet(), "nothing is under way to the dead");
  self.meet();
}

const std::map<std::string, std::function<void(TransportRank&)>> scenarios{
    {"die_before_receiving", die_before_receiving},
    {"die_before_sends", die_before_sends},
    {"die_idle", die_idle},
    {"die_in_a_broadcast", die_in_a_broadcast},
    {"die_while_sending", die_while_sending},
    {"rank_0_dies", rank_0_dies},
};

void start_and_end() {
  OwnWakePage wake_page;
  MpiRank rank({.identity = "loss"}, wake_page, false);
  rank.world().rank() == 0 ? rank.end_as_coordinator(0) : rank.end_as_worker(0, false);
}

/// Kills this process at a moment of its start or end if it is the rank that the environment names.
void die_at_a_moment() {
  const char* victim = std::getenv("JOBLIB_MPI_TEST_VICTIM");
  const char* moment = std::getenv("JOBLIB_MPI_TEST_MOMENT_US");
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (victim == nullptr || moment == nullptr || rank == nullptr || std::strcmp(victim, rank) != 0) return;
  std::thread([pause = std::chrono::microseconds(std::atol(moment))] {
    std::this_thread::sleep_for(pause);
    die();
  }).detach();
}

}  // namespace

int main(int, char** argv) {
  if (std::strcmp(argv[1], "start_and_end") == 0) {
    die_at_a_moment();
    try {
      start_and_end();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 1;
    }
    return 0;
  }
  TransportRank self;
  scenarios.at(argv[1])(self);
  self.leave();
  return 0;
}
