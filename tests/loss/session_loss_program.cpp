// A program whose session loses a rank: `session_loss_program SCENARIO`, started so that the other ranks survive.

#include <joblib_mpi/joblib_mpi.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace jm = joblib_mpi;
using namespace std::chrono_literals;

namespace {

[[noreturn]] void die() {
  kill(getpid(), SIGKILL);
  std::abort();  // not reached
}

int square(int value) {
  return value * value;
}

int square_slowly(int value) {
  std::this_thread::sleep_for(3ms);
  return value * value;
}

int sleep_ten_minutes(int value) {
  std::this_thread::sleep_for(600s);
  return value;
}

/// Kills its rank if it is the first task of the job to get here.
int plus_or_die(const std::vector<int>& values, int index, const std::string& path) {
  const int file = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file >= 0) die();
  return values.at(static_cast<std::size_t>(index)) + 1;
}

template <auto function>
void call(int tasks) {
  (void)jm::Parallel()(std::views::iota(0, tasks) |
                       std::views::transform([](int value) { return jm::delayed<function>(value); }));
}

void die_soon() {
  std::thread([] {
    std::this_thread::sleep_for(500ms);
    die();
  }).detach();
}

/// Runs a hundred tasks on scattered data and checks their results.
void add_one(const std::string& path) {
  std::vector<int> values(100'000, 41);
  const auto shared = jm::scatter(std::move(values));
  const std::vector<int> results = jm::Parallel()(std::views::iota(0, 100) | std::views::transform([&](int index) {
                                                    return jm::delayed<plus_or_die>(shared, index, path);
                                                  }));
  if (results != std::vector<int>(100, 42)) throw std::runtime_error("a result is wrong");
}

std::vector<pid_t> children(pid_t parent) {
  std::ifstream file("/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children");
  std::vector<pid_t> found;
  for (pid_t child = 0; file >> child;) found.push_back(child);
  return found;
}

/// Kills the zygote of a worker, the child of the rank's keeper, while its tasks run.
int lose_a_zygote(bool with_keeper) {
  std::thread killer([with_keeper] {
    std::this_thread::sleep_for(100ms);
    for (const pid_t rank : children(getppid())) {
      if (rank == getpid()) continue;
      const pid_t keeper = children(rank).at(0);
      const pid_t zygote = children(keeper).at(0);
      if (with_keeper) kill(keeper, SIGKILL);
      kill(zygote, SIGKILL);
      return;
    }
  });
  const std::vector<int> results = jm::Parallel()(
      std::views::iota(0, 1000) | std::views::transform([](int value) { return jm::delayed<square_slowly>(value); }));
  killer.join();
  for (int value = 0; value < 1000; ++value) {
    if (results.at(static_cast<std::size_t>(value)) != value * value) throw std::runtime_error("a result is wrong");
  }
  std::puts("all results are right");
  return 0;
}

int lead(const std::string& scenario) {
  if (scenario == "zygote_is_killed") return lose_a_zygote(false);
  if (scenario == "zygote_and_keeper_are_killed") return lose_a_zygote(true);
  call<square>(100);
  if (scenario == "rank_0_dies_idle") die();
  die_soon();
  if (scenario == "rank_0_dies_while_it_computes") std::this_thread::sleep_for(600s);
  if (scenario == "rank_0_dies_in_a_call") {
    while (true) call<square>(100);
  }
  if (scenario == "rank_0_dies_during_long_tasks") call<sleep_ten_minutes>(10);
  throw std::invalid_argument("unknown scenario " + scenario);
}

/// Makes two runs, the second one with one rank less.
int run_twice(jm::MpiSession& session) {
  const std::string path = "two_runs." + std::to_string(session.rank() == 0 ? getpid() : 0);
  for (int run = 0; run < 2; ++run) {
    const int status = session.run([&] { add_one(path); });
    if (status != 0) return status;
  }
  if (session.rank() == 0) {
    std::puts("both runs are right");
    unlink(path.c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  jm::MpiSession session(argc, argv);
  const std::string scenario = argc > 1 ? argv[1] : "";
  return scenario == "two_runs" ? run_twice(session) : session.run([&] { return lead(scenario); });
}
