#include "terminal/attended_launch.hpp"

#include "segments/node_socket.hpp"
#include "terminal/foreground.hpp"
#include "terminal/group_watch.hpp"
#include "terminal/interrupt_count.hpp"
#include "terminal/launcher_process.hpp"
#include "terminal/standard_streams.hpp"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <poll.h>
#include <random>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace joblib_mpi::launch {
namespace {

constexpr int interrupted_status = 128 + SIGINT;

bool is_ignored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// Returns the signals that this process handles: not those that its parent, such as nohup, has it ignore.
sigset_t handled_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  for (const int signal : {SIGINT, SIGQUIT, SIGTSTP, SIGWINCH, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) {
    if (!is_ignored(signal)) sigaddset(&signals, signal);
  }
  return signals;
}

/// Returns a name for the socket that no other process uses.
std::string socket_name() {
  return "joblib-mpi-run-" + std::to_string(getpid()) + "-" + std::to_string(std::random_device{}());
}

/// Stops this process's group by `signal` until it is continued, as the terminal would have. Returns at once if no
/// shell could continue it, because the system stops no such group.
void stop_own_group(int signal) {
  sigset_t one;
  sigset_t before;
  sigemptyset(&one);
  sigaddset(&one, signal);
  kill(0, signal);
  sigprocmask(SIG_UNBLOCK, &one, &before);  // the process stops here
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

bool asks_for_foreground(int stopping_signal) {
  return stopping_signal == SIGTTIN || stopping_signal == SIGTTOU;
}

/// The job while it runs.
class Attendance {
 public:
  Attendance(const std::vector<std::string>& launcher, const std::vector<std::string>& command) {
    sigset_t signals = handled_signals();
    signals_ = Descriptor(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    sigaddset(&signals, SIGTTOU);
    sigset_t before;
    sigprocmask(SIG_BLOCK, &signals, &before);
    const std::string name = socket_name();
    streams_ = NodeSocket::listen(name);
    std::vector<std::string> words = launcher;
    if (streams_) {
      words.insert(words.end(), {std::filesystem::read_symlink("/proc/self/exe").string(), "as-rank", name});
    }
    words.insert(words.end(), command.begin(), command.end());
    mpirun_ = start_launcher(words, before);
  }

  /// Returns the job's exit status when it has ended.
  int wait() {
    while (!status_) {
      std::array<pollfd, 3> ends{pollfd{signals_.get(), POLLIN, 0},
                                 pollfd{streams_ ? streams_->descriptor().get() : -1, POLLIN, 0},
                                 pollfd{rank_0_ ? rank_0_->interrupts().get() : -1, POLLIN, 0}};
      if (poll(ends.data(), ends.size(), -1) < 0) continue;
      if ((ends[0].revents & POLLIN) != 0) handle_signals();
      if ((ends[1].revents & POLLIN) != 0) welcome_rank_0();
      if (ends[2].revents != 0) note_interrupt();
    }
    if (rank_0_group_ != 0) leave_terminal();
    return is_interrupted_ ? interrupted_status : *status_;
  }

 private:
  void welcome_rank_0() {
    for (const Descriptor& connection : streams_->accept_all()) {
      if (rank_0_group_ != 0) continue;
      rank_0_group_ = process_behind(connection);
      if (rank_0_group_ > 0) rank_0_ = GroupWatch::start_in(rank_0_group_);  // before it can ask for the foreground
      send_standard_streams(connection);
    }
  }

  void handle_signals() {
    signalfd_siginfo signal{};
    while (read(signals_.get(), &signal, sizeof signal) == sizeof signal) handle(static_cast<int>(signal.ssi_signo));
  }

  void handle(int signal) {
    switch (signal) {
      case SIGCHLD:
        return look_at_children();
      case SIGTERM:
      case SIGHUP:
        return end_job();
      case SIGUSR1:
      case SIGUSR2:
        kill(mpirun_, signal);
        return;
      default:
        break;
    }
    if (rank_0_) {
      kill(-rank_0_->group(), signal);
    } else if (signal == SIGINT || signal == SIGQUIT) {
      is_interrupted_ = signal == SIGINT;
      end_job();
    } else if (signal == SIGTSTP) {
      stop_own_group(SIGTSTP);
    }
  }

  void look_at_children() {
    if (rank_0_) {
      if (const auto signal = rank_0_->take_stop()) follow_stop(*signal);
    }
    int status = 0;
    if (waitpid(mpirun_, &status, WNOHANG) != mpirun_) return;
    status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

  /// Does what a shell does with a job that was stopped by `signal`: it gets the foreground if it asks for that and
  /// this process has it; otherwise this process stops, too, until the shell continues it.
  void follow_stop(int signal) {
    if (signal != SIGTSTP && !asks_for_foreground(signal)) return;
    const pid_t group = rank_0_->group();
    const bool needs_foreground = asks_for_foreground(signal) || foreground_.is_of(group);
    if (!asks_for_foreground(signal) || !foreground_.is_ours()) {
      foreground_.take_back_from(group);
      stop_own_group(signal);
    }
    if (needs_foreground && foreground_.is_ours()) foreground_.give_to(group);
    kill(-group, SIGCONT);
  }

  void note_interrupt() {
    if (!rank_0_->take_interrupt()) {
      rank_0_.reset();  // rank 0's process group has been killed
      return;
    }
    if (!interrupts_.note(std::chrono::steady_clock::now())) return;
    std::fputs("joblib-mpi: interrupted twice within a second: the job ends\n", stderr);
    is_interrupted_ = true;
    end_job();
  }

  void end_job() const { kill(mpirun_, SIGTERM); }

  void leave_terminal() {
    foreground_.take_back_from(rank_0_group_);
    rank_0_.reset();
    if (status_ != 0 && foreground_.is_ours()) foreground_.restore_modes();
  }

  Foreground foreground_;
  Descriptor signals_;
  std::optional<NodeSocket> streams_;
  pid_t mpirun_ = 0;
  pid_t rank_0_group_ = 0;  ///< 0 until rank 0 has started
  std::unique_ptr<GroupWatch> rank_0_;
  InterruptCount interrupts_;
  bool is_interrupted_ = false;
  std::optional<int> status_;
};

}  // namespace

int attended_launch(const std::vector<std::string>& launcher, const std::vector<std::string>& command) {
  return Attendance(launcher, command).wait();
}

}  // namespace joblib_mpi::launch
