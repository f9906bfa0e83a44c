#include "run/start.hpp"

#include "command/launch_error.hpp"
#include "run/mpi_built_with.hpp"
#include "terminal/attended_launch.hpp"

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <unistd.h>

namespace joblib_mpi::launch {
namespace {

/// The time that the other processes leave rank 0 to print its error first. Chosen, not measured.
constexpr std::chrono::seconds speaker_first{3};

void say_note(const std::string& note) {
  std::fprintf(stderr, "joblib-mpi: note: %s\n", note.c_str());
}

int launch(const LaunchPlan& plan) {
  for (const auto& [name, value] : plan.variables) setenv(name.c_str(), value.c_str(), 1);
  if (!plan.keeps_rank_0_here) become(plan.words);
  const auto command = plan.words.begin() + static_cast<std::ptrdiff_t>(plan.launcher_words);
  return attended_launch({plan.words.begin(), command}, {command, plan.words.end()});
}

}  // namespace

LaunchEnvironment environment_for_ranks() {
  LaunchEnvironment environment = environment_from(collect_facts(), mpi_built_with());
  if (environment.outer && environment.outer->rank != 0) {
    std::this_thread::sleep_for(speaker_first);
    std::exit(2);
  }
  require_no_outer_launch(environment);
  return environment;
}

int start(const LaunchPlan& plan, bool dry_run) {
  if (plan.obstacle && !dry_run) throw *plan.obstacle;
  if (plan.obstacle) say_note(plan.obstacle->what());
  for (const std::string& note : plan.notes) say_note(note);
  if (!dry_run) return launch(plan);
  std::printf("%s\n", shell_line(plan).c_str());
  return 0;
}

void become(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::fflush(nullptr);
  execvp(argv.front(), argv.data());
  throw LaunchError("cannot start " + words.front() + ": " + std::strerror(errno));
}

}  // namespace joblib_mpi::launch
