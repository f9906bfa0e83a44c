// Makes one call after another, each with another array that all tasks share, as long as a file exists:
//
//   rounds_program FILE
//
// After each call it checks the results and prints the hosts on which the tasks ran.

#include <joblib_mpi/joblib_mpi.hpp>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <ranges>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace jm = joblib_mpi;

namespace {

constexpr int tasks = 64;
constexpr int values_of_a_round = 250'000;

std::pair<std::string, double> work(std::span<const double> values, int index) {
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  char host[64] = {};
  gethostname(host, sizeof host - 1);
  return {host, values[static_cast<std::size_t>(index)] + values.back()};
}

void run_round(int round) {
  std::vector<double> values(values_of_a_round);
  for (int index = 0; index < values_of_a_round; ++index) values[static_cast<std::size_t>(index)] = index + round;
  const auto shared = jm::scatter(values);
  const auto results = jm::Parallel()(
      std::views::iota(0, tasks) | std::views::transform([&](int index) { return jm::delayed<work>(shared, index); }));
  std::set<std::string> hosts;
  for (int index = 0; index < tasks; ++index) {
    const auto& [host, value] = results.at(static_cast<std::size_t>(index));
    if (value != index + round + values.back()) throw std::runtime_error("a result is wrong");
    hosts.insert(host);
  }
  std::string line = "round " + std::to_string(round) + " is right, by";
  for (const std::string& host : hosts) line += " " + host;
  std::puts(line.c_str());
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  jm::MpiSession session(argc, argv);
  return session.run([&] {
    if (argc != 2) throw std::invalid_argument("usage: rounds_program FILE");
    for (int round = 1; std::filesystem::exists(argv[1]); ++round) run_round(round);
    std::puts("all results are right");
    return 0;
  });
}
