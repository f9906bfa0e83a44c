#include "submit/batch_script.hpp"

#include "command/launch_error.hpp"
#include "command/shell_words.hpp"
#include "submit/time_limit.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <utility>
#include <vector>

namespace joblib_mpi::launch {
namespace {

/// The default time that a run which was told to end leaves its running tasks (JOBLIB_MPI_CHECKPOINT_GRACE_SECONDS).
constexpr int default_grace_seconds = 60;

void add_directive(std::ostream& script, const char* name, const std::string& value) {
  if (!value.empty()) script << "#SBATCH --" << name << "=" << shell_quoted(value) << "\n";
}

void add_directive(std::ostream& script, const char* name, const std::optional<int>& value) {
  if (value) script << "#SBATCH --" << name << "=" << *value << "\n";
}

void add_directives(std::ostream& script, const SubmitOptions& options, Launcher launcher) {
  add_directive(script, "job-name", job_name(options));
  add_directive(script, "nodes", options.nodes);
  add_directive(script, "ntasks", options.ntasks);
  add_directive(script, "ntasks-per-node", options.ntasks_per_node);
  add_directive(script, "cpus-per-task", options.cpus_per_task);
  add_directive(script, "time", options.time);
  add_directive(script, "partition", options.partition);
  add_directive(script, "account", options.account);
  add_directive(script, "output", job_output(options));
  script << "#SBATCH --open-mode=append\n";
  script << (options.requeues ? "#SBATCH --requeue\n" : "#SBATCH --no-requeue\n");
  if (options.survives) script << "#SBATCH --no-kill\n";
  if (options.signal_seconds > 0) {
    // Without "B:" the signal goes to the steps. The step of mpirun is its daemons, of which the first node has none.
    const char* const whom = launcher == Launcher::srun ? "" : "B:";
    script << "#SBATCH --signal=" << whom << "USR1@" << options.signal_seconds << "\n";
  }
  for (const std::string& option : options.sbatch_options) script << "#SBATCH " << option << "\n";
}

/// Returns the options that become lines of the batch script, with their names.
std::vector<std::pair<const char*, std::string>> lines_of(const SubmitOptions& options) {
  std::vector<std::pair<const char*, std::string>> lines{{"--time", options.time},
                                                         {"--partition", options.partition},
                                                         {"--account", options.account},
                                                         {"--job-name", options.job_name},
                                                         {"--output", options.output},
                                                         {"--python", options.python.interpreter},
                                                         {"--preload", options.python.preload},
                                                         {"--isolation", options.python.isolation},
                                                         {"--memory-limit", options.python.memory_limit}};
  for (const std::string& option : options.sbatch_options) lines.emplace_back("--sbatch-option", option);
  return lines;
}

std::string run_line(const SubmitOptions& options, const BatchCommands& commands) {
  std::vector<std::string> words{commands.joblib_mpi, "run", "--launcher",
                                 commands.launcher == Launcher::srun ? "srun" : "mpirun"};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {name, value});
  };
  if (options.survives) words.emplace_back("--survive");
  add("--python", commands.python);
  add("--isolation", options.python.isolation);
  add("--preload", options.python.preload);
  add("--memory-limit", options.python.memory_limit);
  words.emplace_back("--");
  words.insert(words.end(), options.program.begin(), options.program.end());
  return shell_quoted(words);
}

constexpr const char* mpirun_part = R"(
# Slurm signals this shell, mpirun passes the signal on to the ranks.
@RUN@ &
launcher=$!
signalled=false
trap 'signalled=true; kill -USR1 "$launcher" || true' USR1
status=0
wait "$launcher" || status=$?
while $signalled; do # the signal has ended the wait, not the launcher
  signalled=false
  status=0
  wait "$launcher" || status=$?
done
)";

constexpr const char* srun_part = R"(
status=0
@RUN@ || status=$?
)";

constexpr const char* requeue_part = R"(
# A program with a checkpoint ends with this status when its time is up, and goes on in the job's next start.
if [[ $status -eq ${JOBLIB_MPI_REQUEUE_STATUS:-75} ]]; then
  if ((restarts < @MOST@)); then
    echo "joblib-mpi: job $SLURM_JOB_ID is requeued"
    scontrol requeue "$SLURM_JOB_ID"
  else
    echo "joblib-mpi: job $SLURM_JOB_ID is not finished and has had @MOST@ requeues (--max-requeues); submit it again to go on"
  fi
fi
)";

std::string replaced(std::string text, const std::string& mark, const std::string& value) {
  for (auto place = text.find(mark); place != std::string::npos; place = text.find(mark, place + value.size())) {
    text.replace(place, mark.size(), value);
  }
  return text;
}

}  // namespace

std::string job_name(const SubmitOptions& options) {
  std::string name = options.job_name;
  const std::string& first = options.program.front();
  if (name.empty() && first == "-m" && options.program.size() > 1) name = options.program[1];
  if (name.empty() && first == "-c") name = "joblib-mpi";
  if (name.empty()) name = std::filesystem::path(first).stem().string();
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char letter) { return std::isgraph(letter); });
  if (name.empty() || !plain || name.find('/') != std::string::npos || name.front() == '-') {
    throw LaunchError("\"" + name + "\" cannot be a job's name, which is also part of file names",
                      "give another name with --job-name");
  }
  return name;
}

std::string job_output(const SubmitOptions& options) {
  return options.output.empty() ? job_name(options) + "-%j.out" : options.output;
}

void check_submission(const SubmitOptions& options) {
  const std::string& first = options.program.front();
  if (first == "-" || first == "-i")
    throw LaunchError("a batch job has no standard input for \"" + first + "\"", "submit a script");
  if (!options.nodes && !options.ntasks && !options.ntasks_per_node) {
    throw LaunchError("the size of the job is not given", "give --nodes and --ntasks-per-node, or --ntasks");
  }
  const auto limit = seconds_of_time_limit(options.time.empty() ? "0" : options.time);
  if (!limit) {
    throw LaunchError("--time " + options.time + " is not a time limit",
                      "Slurm accepts minutes, hours:minutes:seconds or days-hours, such as 30, 2:00:00 or 1-12");
  }
  if (*limit > 0 && options.signal_seconds >= *limit) {
    throw LaunchError("--signal-seconds " + std::to_string(options.signal_seconds) + " is not less than --time " +
                          options.time + ", " + std::to_string(*limit) + " s",
                      "lower it, or give 0 for no signal");
  }
  for (const auto& [name, value] : lines_of(options)) {
    if (value.find_first_of("\n\r") == std::string::npos) continue;
    throw LaunchError("the value of " + std::string(name) +
                          " has a line end, and each option is one line of the batch "
                          "script: " +
                          shell_quoted(value),
                      "remove the line end");
  }
  for (const std::string& option : options.sbatch_options) {
    if (!option.starts_with('-')) {
      throw LaunchError("--sbatch-option=" + option + " is not an option of sbatch",
                        "write --sbatch-option=--name=value");
    }
  }
  (void)job_name(options);
}

std::string batch_script(const SubmitOptions& options, const BatchCommands& commands) {
  std::ostringstream script;
  script << "#!/bin/bash\n";
  add_directives(script, options, commands.launcher);
  script << "set -euo pipefail\n\n"
            "restarts=${SLURM_RESTART_COUNT:-0}\n"
            "echo \"joblib-mpi: job $SLURM_JOB_ID, start $((restarts + 1)), on $SLURM_JOB_NODELIST\"\n";
  if (options.signal_seconds > 0 && options.signal_seconds < 2 * default_grace_seconds) {
    // Finished results must be on disk before the time limit.
    script << "export JOBLIB_MPI_CHECKPOINT_GRACE_SECONDS=${JOBLIB_MPI_CHECKPOINT_GRACE_SECONDS:-"
           << options.signal_seconds / 2 << "}\n";
  }
  script << replaced(commands.launcher == Launcher::srun ? srun_part : mpirun_part, "@RUN@",
                     run_line(options, commands));
  if (options.requeues) script << replaced(requeue_part, "@MOST@", std::to_string(options.max_requeues));
  script << "exit \"$status\"\n";
  return script.str();
}

}  // namespace joblib_mpi::launch
