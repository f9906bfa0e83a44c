#include "forked_executor.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace joblib_mpi::test {
namespace {

constexpr std::chrono::milliseconds short_pause{1};

const ExecutorPort* running_port = nullptr;
volatile std::sig_atomic_t interrupts = 0;

void on_interrupt(int) {
  if (running_port->interrupt_requested()) interrupts = 1;
}

void touch(const std::string& path) {
  std::ofstream(path).put('x');
}

/// Starts a process that stays alive and has a child that stays alive. Reports their process ids.
std::string leave_children_behind() {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) std::abort();
  if (fork() == 0) {
    setsid();  // leaves the session, as daemons do
    pid_t pids[2] = {getpid(), fork()};
    if (pids[1] != 0 && write(pipe_ends[1], pids, sizeof pids) != sizeof pids) _exit(1);
    while (true) ::pause();
  }
  pid_t pids[2];
  if (read(pipe_ends[0], pids, sizeof pids) != sizeof pids) std::abort();
  return std::to_string(pids[0]) + " " + std::to_string(pids[1]);
}

/// Starts a process that stays alive, and one that cleans up after it like Python's resource trackers: it ignores
/// SIGTERM, and once the first process has ended it makes a file and ends.
void leave_tracker_behind(const std::string& path) {
  int lifeline[2];
  int ready[2];
  if (pipe(lifeline) != 0 || pipe(ready) != 0) std::abort();
  if (fork() == 0) {
    while (true) ::pause();
  }
  close(lifeline[1]);
  if (fork() == 0) {
    std::signal(SIGTERM, SIG_IGN);
    char byte = 0;
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    (void)!read(lifeline[0], &byte, 1);
    touch(path);
    _exit(0);
  }
  char byte = 0;
  if (read(ready[0], &byte, 1) != 1) std::abort();
}

/// Forks a child that leaves the task, too, with another result, and returns its status once it has ended.
std::string fork_and_return(Payload& result) {
  std::cout << "said before the fork, ";  // waits in the buffer
  const pid_t child = fork();
  result.parts.emplace_back(pattern(8'000'000, child == 0 ? 1 : 2));
  if (child == 0) {
    std::cout << "said by the child\n";
    return "the child's";
  }
  int status = 0;
  waitpid(child, &status, 0);
  return "status " + std::to_string(status);
}

void use_memory(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  std::memset(memory, 1, bytes);
}

/// Is true once the process is to stay when it is asked to exit, as one whose exit handlers hang does.
bool stays = false;

/// The parts that tasks keep, as user code may keep its arguments.
std::vector<SharedBytes> kept;

std::string obey(const std::string& command, std::istringstream& words, const ExecutorTask& task, Payload& result) {
  std::string path;
  int number = 0;
  if (command == "echo") {
    result.parts = task.arguments.parts;
    return std::string(std::istreambuf_iterator<char>(words), {});
  }
  if (command == "reverse") {  // in place: the arguments belong to the task
    for (const SharedBytes& part : task.arguments.parts) {
      auto* begin = const_cast<std::byte*>(part.view().data());
      std::reverse(begin, begin + part.size());
      result.parts.push_back(part);
    }
    return "";
  }
  if (command == "keep") {
    kept = task.arguments.parts;
    return "";
  }
  if (command == "show_kept") {
    result.parts = std::exchange(kept, {});
    return "";
  }
  if (command == "objects") {
    for (const ObjectInput& input : task.objects) {
      for (const SharedBytes& part : input.value->parts) result.parts.push_back(part);
    }
    return std::to_string(task.objects.size());
  }
  if (command == "write_object") {
    *const_cast<std::byte*>(task.objects.at(0).value->parts.at(0).view().data()) = std::byte{1};
    return "written";
  }
  if (command == "fork") return fork_and_return(result);
  if (command == "close_files") {
    for (int file = STDERR_FILENO + 1; file < 1000; ++file) close(file);
    return "closed";
  }
  if (command == "close_files_and_return_much") {
    for (int file = STDERR_FILENO + 1; file < 1000; ++file) close(file);
    result.parts.emplace_back(pattern(8'000'000, 1));
    return "";
  }
  if (command == "open_no_more_and_return_much") {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &files);
    result.parts.emplace_back(pattern(1'000, 1));
    result.parts.emplace_back(pattern(8'000'000, 1));
    return std::string(100'000, 'x');
  }
  if (command == "pid") return std::to_string(getpid());
  if (command == "signal" && words >> number) std::raise(number);
  if (command == "abort") std::abort();
  if (command == "exit" && words >> number) _exit(number);
  if (command == "children") return leave_children_behind();
  if (command == "children_then_die" && words >> path) {
    std::ofstream(path + ".new") << leave_children_behind();
    std::filesystem::rename(path + ".new", path);
    std::raise(SIGKILL);
  }
  if (command == "tracker_then_die" && words >> path) {
    leave_tracker_behind(path);
    std::raise(SIGKILL);
  }
  if (command == "spin" && words >> path) {  // runs until interrupted
    touch(path);
    while (interrupts == 0) {
    }
    interrupts = 0;
    return "interrupted";
  }
  if (command == "sleep" && words >> path) {
    touch(path);
    while (interrupts == 0) std::this_thread::sleep_for(short_pause);
    interrupts = 0;
    return "interrupted";
  }
  if (command == "deaf" && words >> path) {
    touch(path);
    // Volatile, since a compiler may take it for granted that a loop without effects ends.
    for (const volatile bool busy = true; busy;) {
    }
  }
  if (command == "use_megabytes" && words >> number) {
    use_memory(static_cast<std::size_t>(number) << 20);
    while (true) ::pause();
  }
  if (command == "leak_megabytes" && words >> number) {
    use_memory(static_cast<std::size_t>(number) << 20);
    return std::to_string(getpid());
  }
  if (command == "leak_files" && words >> number) {
    while (number-- > 0) (void)!dup(STDERR_FILENO);
    return std::to_string(getpid());
  }
  if (command == "stay") {
    stays = true;
    return std::to_string(getpid());
  }
  if (command == "environment") {
    std::string names;
    for (char** entry = environ; *entry != nullptr; ++entry) names += std::string(*entry) + "\n";
    return names;
  }
  if (command == "print") {
    std::cout << "printed by a task" << std::endl;
    return "";
  }
  if (command == "read_stdin") {
    char byte = 0;
    return std::to_string(read(STDIN_FILENO, &byte, 1));
  }
  return "unknown: " + command;
}

[[noreturn]] void work(ExecutorPort& port) {
  running_port = &port;
  std::signal(SIGINT, on_interrupt);
  // The handlers of the test program would report a failed test; those of sanitizers would end with an exit code.
  for (const int signal : {SIGABRT, SIGSEGV, SIGTERM}) std::signal(signal, SIG_DFL);
  std::string forgotten;
  while (true) {
    TaskPort::Work work = port.next_task();
    for (const ObjectId object : work.forgotten) forgotten += std::to_string(object.value) + ",";
    if (work.closed && !stays) _exit(0);
    while (work.closed) ::pause();
    if (!work.task) continue;
    std::istringstream words(text(work.task->arguments.packed()));
    std::string command;
    words >> command;
    ExecutedTask done{work.task->task, TaskEnding::returned, 0.25, {}};
    done.result.head =
        bytes(command == "forgotten" ? std::exchange(forgotten, {}) : obey(command, words, *work.task, done.result));
    work = {};
    port.finish(std::move(done));
  }
}

[[noreturn]] void work_or_fail(ExecutorPort& port) {
  try {
    work(port);
  } catch (const std::exception&) {
    _exit(EXIT_FAILURE);  // not the test's failure
  }
}

}  // namespace

std::unique_ptr<Zygote> fork_zygote(ZygoteOptions options) {
  auto side = Zygote::fork(std::move(options));
  if (auto* port = std::get_if<std::unique_ptr<ExecutorPort>>(&side)) work_or_fail(**port);
  return std::move(std::get<std::unique_ptr<Zygote>>(side));
}

void keep_executors(Zygote::Lifeline lifeline, pid_t rank_process) {
  work_or_fail(*Zygote::keep(std::move(lifeline), {}, rank_process));
}

WorkerSide::WorkerSide(ZygoteOptions options, double grace_seconds, double zygote_seconds,
                       const ProcessWear::Limits& wear)
    : zygote(fork_zygote(std::move(options))), executor(*zygote, pool, {grace_seconds, zygote_seconds, wear}) {}

WorkerSide::WorkerSide(std::unique_ptr<Zygote> of_rank)
    : zygote(std::move(of_rank)), executor(*zygote, pool, {30, 30, {}}) {}

ExecutedTask WorkerSide::run(std::string_view what, std::vector<SharedBytes> parts, TaskLimits limits) {
  start(what, std::move(parts), limits);
  return wait_for_result();
}

void WorkerSide::start(std::string_view what, std::vector<SharedBytes> parts, TaskLimits limits,
                       std::vector<ObjectInput> objects) {
  executor.start({TaskId{++next_slot_, 1}, Payload{bytes(what), std::move(parts)}, std::move(objects), limits});
}

ExecutedTask WorkerSide::wait_for_result() {
  while (true) {
    if (auto done = executor.take_finished()) {
      if (done->task != TaskId{next_slot_, 1}) std::abort();
      return std::move(*done);
    }
    zygote->worker_wake_flag().wait_for(short_pause);
  }
}

void WorkerSide::wait_for_file(const std::string& path) {
  while (!std::filesystem::exists(path)) {
    if (executor.take_finished()) std::abort();
    std::this_thread::sleep_for(short_pause);
  }
  std::filesystem::remove(path);
}

pid_t WorkerSide::executor_pid() {
  return static_cast<pid_t>(std::stol(head_text(run("pid"))));
}

std::string head_text(const ExecutedTask& task) {
  return text(task.result.packed());
}

pid_t parent_of(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string word; status >> word;) {
    if (word == "PPid:" && status >> word) return static_cast<pid_t>(std::stol(word));
  }
  return 0;
}

void wait_until_gone(pid_t process) {
  while (true) {
    std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
    std::string content;
    if (!std::getline(stat, content) || content.find(") Z ") != std::string::npos) return;
    std::this_thread::sleep_for(short_pause);
  }
}

std::string new_file_name() {
  static int count = 0;
  return (std::filesystem::temp_directory_path() /
          ("joblib_mpi_test." + std::to_string(getpid()) + "." + std::to_string(++count)))
      .string();
}

std::size_t open_files() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

}  // namespace joblib_mpi::test
