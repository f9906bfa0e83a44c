#include "doctor/doctor.hpp"

#include "command/captured_run.hpp"
#include "command/launch_error.hpp"
#include "command/shell_words.hpp"
#include "doctor/examination.hpp"
#include "doctor/problem_json.hpp"
#include "doctor/report_table.hpp"
#include "probe/probe_options.hpp"
#include "probe/report_json.hpp"
#include "run/launch_plan.hpp"
#include "run/program.hpp"
#include "run/start.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

namespace joblib_mpi::launch {
namespace {

/// The number of times that ranks wait for each other in a run (for Python, in MPI_Init, for reports), with one to
/// spare.
constexpr double waits_per_run = 4;

/// Returns the path of the program that each rank runs. It is installed, and built, beside this command.
std::string probe_program() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto probe = self.parent_path() / "joblib-mpi-probe";
  if (error || !std::filesystem::exists(probe, error)) {
    throw LaunchError("there is no " + probe.string(), "reinstall joblib-mpi: this program is a part of it");
  }
  return probe.string();
}

/// Returns the Python interpreter that ranks ask; empty if there is none, since C++ programs need none. Throws
/// LaunchError if the user named one that does not exist.
std::string python_to_ask(const PythonOptions& options) {
  try {
    return find_python(options);
  } catch (const LaunchError&) {
    if (!options.interpreter.empty()) throw;
    return {};
  }
}

std::string spill_folder(const DoctorOptions& options) {
  const char* const configured = std::getenv("JOBLIB_MPI_SPILL_DIR");
  return options.spill_folder.empty() && configured != nullptr ? configured : options.spill_folder;
}

/// Returns this process's environment with `variables` set.
std::vector<std::string> environment_with(const Variables& variables) {
  auto environment = environment_without([&](std::string_view name) {
    for (const auto& [own, value] : variables) {
      if (own == name) return true;
    }
    return false;
  });
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  return environment;
}

/// The findings of a run, and the command line that started it.
struct Diagnosed {
  std::string started_by;  ///< the launcher's part of the command line
  Examination examination;
};

Diagnosed start_and_examine(const DoctorOptions& options, const LaunchEnvironment& environment) {
  Diagnosed diagnosed;
  try {
    const ProbeOptions probe{.python = python_to_ask(options.python),
                             .spill_folder = spill_folder(options),
                             .megabytes = static_cast<std::size_t>(options.megabytes),
                             .wait_seconds = options.seconds / waits_per_run};
    Command command{{probe_program()}, false, {}};
    for (const std::string& argument : to_arguments(probe)) command.words.push_back(argument);
    const LaunchPlan plan = plan_launch(options.launch, environment, command);
    const auto launcher_words = static_cast<std::ptrdiff_t>(plan.launcher_words);
    diagnosed.started_by = shell_quoted({plan.words.begin(), plan.words.begin() + launcher_words});
    if (plan.obstacle) throw *plan.obstacle;

    Expectations expected{.ranks = plan.ranks,
                          .threads_per_rank = options.launch.threads_per_rank.value_or(1),
                          .launcher = {},
                          .needs_python = !options.python.interpreter.empty(),
                          .chosen_spill_folder = !probe.spill_folder.empty()};
    if (plan.words.front() == "mpirun" && environment.mpirun) expected.launcher = *environment.mpirun;
    diagnosed.examination =
        examine(run_captured(plan.words, environment_with(plan.variables), {.seconds = options.seconds}), expected);
  } catch (const LaunchError& error) {
    diagnosed.examination.problems = {{Severity::fails, error.problem(), error.remedy()}};
  }
  return diagnosed;
}

nlohmann::json to_json(const Diagnosed& diagnosed) {
  const Examination& found = diagnosed.examination;
  return {{"works", !found.run_would_fail()},
          {"started_by", diagnosed.started_by},
          {"problems", found.problems},
          {"report", found.report ? nlohmann::json(*found.report) : nlohmann::json()},
          {"messages", found.words}};
}

}  // namespace

int doctor(const DoctorOptions& options) {
  std::ofstream file;
  if (!options.json.empty() && options.json != "-") {
    file.open(options.json);
    if (!file)
      throw LaunchError("--json " + options.json + ": the file cannot be written",
                        "name a file in a folder that exists and is writable");
  }
  const LaunchEnvironment environment = environment_for_ranks();
  const Diagnosed diagnosed = start_and_examine(options, environment);
  const std::string json = to_json(diagnosed).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + '\n';
  if (options.json == "-") {
    std::fputs(json.c_str(), stdout);
  } else {
    std::fputs(to_table(diagnosed.examination, diagnosed.started_by).c_str(), stdout);
    if (file.is_open() && !(file << json << std::flush)) {
      throw LaunchError("--json " + options.json + ": writing the file failed", "check whether the disk is full");
    }
  }
  return diagnosed.examination.run_would_fail() ? 1 : 0;
}

}  // namespace joblib_mpi::launch
