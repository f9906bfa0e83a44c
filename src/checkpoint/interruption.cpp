#include "checkpoint/interruption.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <unistd.h>

namespace joblib_mpi {
namespace {

using Clock = std::chrono::steady_clock;

// The signal handler touches only these variables.
std::atomic<int> signal_number{0};
std::atomic<Clock::rep> signal_time{0};
std::atomic<pid_t> owner{0};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<Clock::rep>::is_always_lock_free);

void note_signal(int number) {
  if (owner != getpid()) {  // a fork, which the signal ends as it would have without a checkpoint
    std::signal(number, SIG_DFL);
    raise(number);
    return;
  }
  if (signal_number != 0) return;
  signal_time = Clock::now().time_since_epoch().count();
  signal_number = number;
}

/// The state that the watches of this process share.
class Watches {
 public:
  static Watches& instance() {
    static Watches watches;
    return watches;
  }

  void add(const InterruptionWatch::Options& options) {
    const std::lock_guard lock(mutex_);
    options_ = options;
    if (++n_watches_ > 1) return;
    owner = getpid();
    struct sigaction action {};
    action.sa_handler = note_signal;
    action.sa_flags = SA_RESTART;
    for (std::size_t index = 0; index < ending_signals.size(); ++index) {
      sigaction(ending_signals[index], &action, &previous_[index]);
    }
  }

  void remove() {
    if (owner != getpid()) return;
    const std::lock_guard lock(mutex_);
    if (--n_watches_ > 0) return;
    for (std::size_t index = 0; index < ending_signals.size(); ++index) {
      struct sigaction now {};
      sigaction(ending_signals[index], nullptr, &now);
      if (now.sa_handler == note_signal) sigaction(ending_signals[index], &previous_[index], nullptr);
    }
  }

  [[nodiscard]] std::optional<Interruption> interruption() {
    if (signal_number == 0) return std::nullopt;
    const std::lock_guard lock(mutex_);
    const Clock::time_point told{Clock::duration(signal_time)};
    return Interruption{told + std::chrono::duration_cast<Clock::duration>(options_.grace), options_.exit_status};
  }

  void announce() {
    const std::lock_guard lock(mutex_);
    if (signal_number == 0 || announced_.exchange(true)) return;
    std::fprintf(stderr,
                 "joblib_mpi: %s: the run is ending: running tasks have %g s, and the program exits with status "
                 "%d; start it again to resume from its checkpoint\n",
                 signal_number == SIGUSR1 ? "SIGUSR1" : "SIGTERM", options_.grace.count(), options_.exit_status);
  }

  void forget() {
    signal_number = 0;
    announced_ = false;
  }

 private:
  std::mutex mutex_;  // guards the members below
  std::array<struct sigaction, ending_signals.size()> previous_{};
  int n_watches_ = 0;
  InterruptionWatch::Options options_{};
  std::atomic<bool> announced_ = false;
};

}  // namespace

std::optional<Interruption> interruption() {
  return Watches::instance().interruption();
}

void announce_interruption() {
  Watches::instance().announce();
}

InterruptionWatch::NotedSignals::NotedSignals(const Options& options) {
  Watches::instance().add(options);
}

InterruptionWatch::NotedSignals::~NotedSignals() {
  Watches::instance().remove();
}

void forget_interruption() {
  Watches::instance().forget();
}

}  // namespace joblib_mpi
