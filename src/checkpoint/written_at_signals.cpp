#include "checkpoint/written_at_signals.hpp"

#include <semaphore.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <stop_token>
#include <thread>
#include <unistd.h>
#include <vector>

namespace joblib_mpi {
namespace {

// The signal handler touches only these variables. The former actions stay after the last object, because a handler may
// still be running on another thread.
std::array<struct sigaction, ending_signals.size()> former_actions{};
std::atomic<pid_t> signal_owner{0};
std::atomic<bool> was_signalled = false;
sem_t listener_wakes;
static_assert(std::atomic<pid_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

void write_and_pass_on(int number, siginfo_t* information, void* context) {
  const int error = errno;
  if (signal_owner == getpid()) {
    was_signalled = true;
    sem_post(&listener_wakes);
  }
  const auto place = std::ranges::find(ending_signals, number) - ending_signals.begin();
  const struct sigaction& former = former_actions[static_cast<std::size_t>(place)];
  errno = error;
  (former.sa_flags & SA_SIGINFO) != 0 ? former.sa_sigaction(number, information, context) : former.sa_handler(number);
}

bool has_handler(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

/// The journals of this process that are written at a signal, and the thread that does what a handler may not.
class SignalledJournals {
 public:
  static SignalledJournals& instance() {
    static auto& journals = *new SignalledJournals;  // never destroyed: a fork cannot join the thread
    return journals;
  }

  void add(Journal& journal) {
    const std::lock_guard one_at_a_time(first_and_last_);
    {
      const std::lock_guard lock(mutex_);
      journals_.push_back(&journal);
      if (journals_.size() > 1) return;
    }
    signal_owner = getpid();
    was_signalled = false;
    sem_init(&listener_wakes, 0, 0);
    listener_ = std::jthread([this](const std::stop_token& stop) { listen(stop); });
    for (std::size_t index = 0; index < ending_signals.size(); ++index) replace_handler(index);
  }

  void remove(Journal& journal) {
    if (signal_owner != getpid()) return;
    const std::lock_guard one_at_a_time(first_and_last_);
    {
      const std::lock_guard lock(mutex_);
      std::erase(journals_, &journal);
      if (!journals_.empty()) return;
    }
    for (std::size_t index = 0; index < ending_signals.size(); ++index) restore_handler(index);
    listener_.request_stop();
    sem_post(&listener_wakes);
    listener_.join();
  }

 private:
  static void replace_handler(std::size_t index) {
    struct sigaction action {};
    sigaction(ending_signals[index], nullptr, &action);
    if (!has_handler(action)) return;
    former_actions[index] = action;
    action.sa_sigaction = write_and_pass_on;
    action.sa_flags |= SA_SIGINFO;
    sigaction(ending_signals[index], &action, nullptr);
  }

  static void restore_handler(std::size_t index) {
    struct sigaction now {};
    sigaction(ending_signals[index], nullptr, &now);
    const bool is_ours = (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == write_and_pass_on;
    if (is_ours) sigaction(ending_signals[index], &former_actions[index], nullptr);
  }

  void listen(const std::stop_token& stop) {
    while (true) {
      while (sem_wait(&listener_wakes) != 0) {
      }
      if (was_signalled) act();
      if (stop.stop_requested()) return;
    }
  }

  void act() {
    const std::lock_guard lock(mutex_);
    for (Journal* journal : journals_) journal->write_at_once();
  }

  std::mutex first_and_last_;  // guards the first and the last object; locked before `mutex_`
  std::jthread listener_;

  std::mutex mutex_;  // guards the member below
  std::vector<Journal*> journals_;
};

}  // namespace

WrittenAtSignals::WrittenAtSignals(Journal& journal) : journal_(&journal) {
  SignalledJournals::instance().add(journal);
}

WrittenAtSignals::~WrittenAtSignals() {
  SignalledJournals::instance().remove(*journal_);
}

}  // namespace joblib_mpi
