#include "executor/zygote_process.hpp"

#include "executor/child_signals.hpp"
#include "executor/process_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <iterator>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace joblib_mpi {
namespace {

constexpr int memory_look_milliseconds = 10;

/// The longest time for which processes left by a dead executor may delay the next executor. Only a process that the
/// kernel cannot kill takes longer.
constexpr double longest_cleanup_seconds = 2.0;

void call(const std::function<void()>& hook) {
  if (hook) hook();
}

/// Removes from the environment what makes a program believe that it is this rank.
void forget_the_launcher() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    if (name.starts_with("OMPI_ALLOW_RUN_AS_ROOT")) continue;  // set by the user, not by the launcher
    if (name.starts_with("OMPI_") || name.starts_with("PMIX_") || name.starts_with("PMI_")) names.emplace_back(name);
  }
  for (const std::string& name : names) unsetenv(name.c_str());
}

void set_failure(SharedRegion& region, std::string_view text) {
  const std::size_t size = std::min(text.size(), region.failure.size() - 1);
  std::memcpy(region.failure.data(), text.data(), size);
  region.failure[size] = '\0';
  region.zygote_state = SharedRegion::preparing_failed;
  region.page.wake_flag.notify();
}

void prefer_for_the_oom_killer() {
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  constexpr std::string_view almost_first = "900";
  (void)!write(file, almost_first.data(), almost_first.size());
  close(file);
}

}  // namespace

ZygoteProcess::ZygoteProcess(SharedRegion& region, Descriptor commands, ZygoteOptions options, RankWatch rank)
    : region_(&region), commands_(std::move(commands)), options_(std::move(options)), rank_(std::move(rank)) {}

std::unique_ptr<ExecutorPort> ZygoteProcess::run() {
  become_zygote();
  call(options_.hooks.in_child);
  prepare();
  while (true) {
    wait_for_event();
    reap();
    look_at_memory();
    if (handle_commands()) {
      return std::make_unique<ExecutorPort>(*region_, generation_, std::move(executor_socket_));
    }
  }
}

void ZygoteProcess::become_zygote() {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  // The zygote notices the end of the rank by other means.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_IGN);
  child_signals_ = block_child_signals(mask_before_);
  if (const int empty = open("/dev/null", O_RDONLY | O_CLOEXEC); empty >= 0) {
    dup2(empty, STDIN_FILENO);
    if (empty != STDIN_FILENO) close(empty);
  }
  forget_the_launcher();
}

void ZygoteProcess::prepare() {
  try {
    call(options_.prepare);
  } catch (const std::exception& error) {
    set_failure(*region_, error.what());
    leave();
  } catch (...) {
    set_failure(*region_, "an exception that is not a std::exception");
    leave();
  }
  options_.prepare = nullptr;
  region_->zygote_state = SharedRegion::prepared;
  region_->page.wake_flag.notify();
}

void ZygoteProcess::wait_for_event() {
  pollfd events[] = {{commands_.get(), POLLIN, 0}, {child_signals_.get(), POLLIN, 0}, {rank_.descriptor(), POLLIN, 0}};
  poll(events, std::size(events),
       region_->watching_memory ? memory_look_milliseconds : rank_.longest_pause_milliseconds());
  forget_signals(child_signals_);
  if (rank_.has_ended()) leave();
}

bool ZygoteProcess::handle_commands() {
  ZygoteCommand command{};
  while (auto received = receive_message(commands_, std::as_writable_bytes(std::span(&command, 1)), false)) {
    if (received->bytes == 0) leave();
    switch (command.kind) {
      case ZygoteCommand::Kind::start:
        if (fork_executor(command.generation, std::move(received->descriptor))) return true;
        break;
      case ZygoteCommand::Kind::interrupt:
        if (executor_ != 0 && command.generation == generation_) kill(executor_, SIGINT);
        break;
      case ZygoteCommand::Kind::kill:
        if (executor_ != 0 && command.generation == generation_) kill(executor_, SIGKILL);
        break;
      case ZygoteCommand::Kind::watch_memory:
        region_->watching_memory = true;
        break;
    }
  }
  return false;
}

bool ZygoteProcess::fork_executor(std::uint32_t generation, Descriptor socket) {
  generation_ = generation;
  region_->memory_used = 0;
  region_->fork_error = 0;
  region_->ended_with_zygote = false;
  if (std::exchange(executor_, 0) != 0) end_descendants(longest_cleanup_seconds);  // it was not waited for
  std::fflush(nullptr);  // so that no executor prints again what preloading has printed
  const pid_t zygote = getpid();
  call(options_.hooks.before);
  const pid_t child = fork();
  if (child == 0) {
    executor_socket_ = std::move(socket);
    become_executor(zygote);
    return true;
  }
  const int error = errno;
  call(options_.hooks.in_parent);
  if (child < 0) {
    region_->fork_error = error;
    publish_exit();
  } else {
    executor_ = child;
    region_->executor_pid = child;
  }
  return false;
}

void ZygoteProcess::become_executor(pid_t zygote) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != zygote) _exit(EXIT_FAILURE);
  region_->executor_pid = getpid();  // the zygote may not get as far before this process has run tasks
  for (const int signal : {SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
  sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
  commands_.close();
  child_signals_.close();
  rank_.close();
  hide_from_children(*region_);
  prefer_for_the_oom_killer();
  call(options_.hooks.in_child);
}

void ZygoteProcess::reap() {
  int status = 0;
  bool executor_ended = false;
  for (pid_t child = 0; (child = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (child != executor_) continue;  // a process that a task has left behind
    executor_ended = true;
    region_->wait_status = status;
  }
  if (!executor_ended) return;
  executor_ = 0;
  end_descendants(longest_cleanup_seconds);
  publish_exit();
}

void ZygoteProcess::publish_exit() {
  region_->exited_generation.store(generation_, std::memory_order_release);
  region_->page.wake_flag.notify();
}

void ZygoteProcess::look_at_memory() {
  if (!region_->watching_memory) return;
  const std::uint64_t limit = region_->memory_limit;
  if (limit == 0 || executor_ == 0) {
    region_->watching_memory = false;
    // The worker reads the flag after it has set a limit, so one of the two sees the other's write.
    if (region_->memory_limit != 0 && executor_ != 0) region_->watching_memory = true;
    return;
  }
  const std::uint64_t used = anonymous_resident_bytes(executor_);
  if (used <= limit) return;
  region_->memory_allowed = limit;
  region_->memory_used = used;
  kill(executor_, SIGKILL);
}

void ZygoteProcess::leave() {
  std::fflush(nullptr);
  end_descendants(longest_cleanup_seconds);
  _exit(EXIT_SUCCESS);
}

}  // namespace joblib_mpi
