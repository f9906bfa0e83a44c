// Runs a thousand tasks three times while processes are killed at random: `random_faults_program SEED RANKS`. RANKS
// workers are killed in all, and executor processes, if there are any, again and again.
//
// Exits with 0 only if every result is right and none arrives twice.

#include <joblib_mpi/joblib_mpi.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>
#include <random>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace jm = joblib_mpi;

namespace {

constexpr int tasks = 1000;
constexpr int scattered_values = 100'000;

/// The name that a process gets when it has run a task. Other processes are spared: a rank retires if its executors are
/// killed faster than this machine starts them, before their first task.
constexpr const char* has_worked = "has_worked";

int work(const std::vector<int>& values, int index) {
  static const bool named = static_cast<bool>(std::ofstream("/proc/self/comm") << has_worked << std::flush);
  if (!named) throw std::runtime_error("the process cannot be given a name");
  std::this_thread::sleep_for(std::chrono::milliseconds(index % 8));
  return values.at(static_cast<std::size_t>(index)) * 3;
}

std::vector<pid_t> children(pid_t parent) {
  std::ifstream file("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
  std::vector<pid_t> found;
  for (pid_t child = 0; file >> child;) found.push_back(child);
  return found;
}

std::vector<pid_t> worker_ranks() {
  std::vector<pid_t> ranks = children(getppid());
  std::erase(ranks, getpid());
  std::ranges::sort(ranks);
  return ranks;
}

bool is_named(pid_t process, const std::string& expected) {
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(process) + "/comm"), name);
  return name == expected;
}

std::vector<pid_t> executors() {
  std::vector<pid_t> found;
  for (const pid_t rank : worker_ranks()) {
    for (const pid_t keeper : children(rank)) {
      for (const pid_t zygote : children(keeper)) {
        const std::vector<pid_t> of_rank = children(zygote);
        std::ranges::copy_if(of_rank, std::back_inserter(found),
                             [](pid_t executor) { return is_named(executor, has_worked); });
      }
    }
  }
  return found;
}

/// Kills processes during the life of the object.
class Killer {
 public:
  Killer(unsigned seed, int ranks) : chance_(seed), ranks_(ranks), thread_([this] { live(); }) {}
  ~Killer() {
    done_ = true;
    thread_.join();
    std::printf("%d executors and %d ranks were killed\n", executors_killed(), ranks_killed_);
  }
  [[nodiscard]] int executors_killed() const { return executors_killed_; }

  Killer(const Killer&) = delete;
  Killer& operator=(const Killer&) = delete;

 private:
  void live() {
    for (int turn = 1; !done_; ++turn) {
      std::this_thread::sleep_for(std::chrono::milliseconds(pick(10, 40)));
      if (turn % 10 == 0 && ranks_killed_ < ranks_) {
        ranks_killed_ += kill_one_of(worker_ranks());
      } else {
        executors_killed_ += kill_one_of(executors());
      }
    }
  }

  int kill_one_of(const std::vector<pid_t>& victims) {
    if (victims.empty()) return 0;
    return kill(victims[static_cast<std::size_t>(pick(0, static_cast<int>(victims.size()) - 1))], SIGKILL) == 0 ? 1 : 0;
  }

  int pick(int least, int most) { return std::uniform_int_distribution<int>(least, most)(chance_); }

  std::mt19937 chance_;
  int ranks_;
  int ranks_killed_ = 0;
  std::atomic<int> executors_killed_{0};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

/// Makes calls until enough processes were killed; each call scatters again, before, during and after the losses.
int lead(unsigned seed, int ranks) {
  const Killer killer(seed, ranks);
  for (int round = 0; round < 3; ++round) {
    std::vector<int> values(scattered_values);
    for (int index = 0; index < scattered_values; ++index) values[static_cast<std::size_t>(index)] = index + round;
    const auto shared = jm::scatter(values);
    const std::vector<int> results =
        jm::Parallel({.retries = 30})(std::views::iota(0, tasks) | std::views::transform([&](int index) {
                                        return jm::delayed<work>(shared, index);
                                      }));
    if (results.size() != tasks) throw std::runtime_error("results are missing");
    for (int index = 0; index < tasks; ++index) {
      if (results[static_cast<std::size_t>(index)] != (index + round) * 3)
        throw std::runtime_error("a result is wrong");
    }
    std::printf("round %d of 3 is right\n", round + 1);
    std::fflush(stdout);
  }
  const char* const isolation = std::getenv("JOBLIB_MPI_ISOLATION");
  if (isolation != nullptr && isolation == std::string("process") && killer.executors_killed() < 5) {
    throw std::runtime_error("hardly an executor was killed");
  }
  std::puts("all results are right");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  jm::MpiSession session(argc, argv);
  return session.run([&] {
    if (argc != 3) throw std::invalid_argument("usage: random_faults_program SEED RANKS");
    return lead(static_cast<unsigned>(std::stoul(argv[1])), std::stoi(argv[2]));
  });
}
