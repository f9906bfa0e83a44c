#include "checkpoint/interruption.hpp"

#include <semaphore.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

namespace joblib_mpi {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array heeded{SIGUSR1, SIGTERM};

// The signal handler touches only these variables.
std::atomic<int> signal_number{0};
std::atomic<Clock::rep> signal_time{0};
sem_t listener_wakes;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<Clock::rep>::is_always_lock_free);

void note_signal(int number) {
  const int error = errno;
  if (signal_number == 0) {
    signal_time = Clock::now().time_since_epoch().count();
    signal_number = number;
  }
  sem_post(&listener_wakes);
  errno = error;
}

/// The state that the watches of this process share. A separate thread does the work that a signal handler may not do.
class Watches {
 public:
  static Watches& instance() {
    static Watches watches;
    return watches;
  }

  void add(Journal& journal, const InterruptionWatch::Options& options) {
    const std::lock_guard one_at_a_time(first_and_last_);
    {
      const std::lock_guard lock(mutex_);
      options_ = options;
      journals_.push_back(&journal);
      if (journals_.size() > 1) return;
    }
    sem_init(&listener_wakes, 0, 0);
    listener_ = std::jthread([this](const std::stop_token& stop) { listen(stop); });
    struct sigaction action {};
    action.sa_handler = note_signal;
    action.sa_flags = SA_RESTART;
    for (std::size_t index = 0; index < heeded.size(); ++index) sigaction(heeded[index], &action, &previous_[index]);
  }

  void remove(Journal& journal) {
    const std::lock_guard one_at_a_time(first_and_last_);
    {
      const std::lock_guard lock(mutex_);
      std::erase(journals_, &journal);
      if (!journals_.empty()) return;
    }
    for (std::size_t index = 0; index < heeded.size(); ++index) {
      struct sigaction now {};
      sigaction(heeded[index], nullptr, &now);
      if (now.sa_handler == note_signal) sigaction(heeded[index], &previous_[index], nullptr);
    }
    listener_.request_stop();
    sem_post(&listener_wakes);
    listener_.join();
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
  void listen(const std::stop_token& stop) {
    while (true) {
      while (sem_wait(&listener_wakes) != 0) {
      }
      if (signal_number != 0) act();
      if (stop.stop_requested()) return;
    }
  }

  void act() {
    const std::lock_guard lock(mutex_);
    for (Journal* journal : journals_) journal->request_flush();
  }

  std::mutex first_and_last_;  // guards the first and the last watch; locked before `mutex_`
  std::array<struct sigaction, heeded.size()> previous_{};
  std::jthread listener_;

  std::mutex mutex_;  // guards the members below
  std::vector<Journal*> journals_;
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

InterruptionWatch::InterruptionWatch(Journal& journal, const Options& options) : journal_(&journal) {
  Watches::instance().add(journal, options);
}

InterruptionWatch::~InterruptionWatch() {
  Watches::instance().remove(*journal_);
}

void forget_interruption() {
  Watches::instance().forget();
}

}  // namespace joblib_mpi
