#include "command/option_groups.hpp"

#include <charconv>
#include <string>

namespace joblib_mpi::launch {
namespace {

/// A whole number from 1, so that the message says so.
std::string positive(const std::string& text) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc{} && stop == end && value >= 1) return "";
  return "\"" + text + "\" is not a whole number from 1";
}

void add_number(CLI::App& command, const char* names, std::optional<int>& value, const char* letter, const char* text) {
  command.add_option(names, value, text)->type_name(letter)->check(positive);
}

void add_launcher_option(CLI::App& command, Launcher& launcher, const std::string& text) {
  const auto set = [&launcher](const std::string& name) {
    launcher = name == "mpirun" ? Launcher::mpirun : name == "srun" ? Launcher::srun : Launcher::automatic;
  };
  command.add_option_function<std::string>("--launcher", set, text)
      ->type_name("auto|mpirun|srun")
      ->check([](const std::string& name) -> std::string {
        if (name == "auto" || name == "mpirun" || name == "srun") return "";
        return "\"" + name + "\" is none of auto, mpirun, srun";
      });
}

void add_survival_option(CLI::App& command, bool& survives) {
  command.add_flag("--survive", survives, "Let the job go on when a rank dies");
}

}  // namespace

void add_launch_options(CLI::App& command, LaunchOptions& launch) {
  add_number(command, "-n,--ranks", launch.ranks, "N", "Ranks: one schedules, the others work");
  add_number(command, "--per-node", launch.ranks_per_node, "K", "Ranks on each node");
  add_number(command, "--threads", launch.threads_per_rank, "T", "Cores of each rank, to which it is bound");
  command.add_flag("--no-bind", launch.binds_none, "Bind no rank to cores");
  command.add_flag("--oversubscribe", launch.oversubscribes, "Let ranks share cores in an allocation, too");
  add_survival_option(command, launch.survives);
  add_launcher_option(command, launch.launcher, "auto: srun inside Slurm if it can start this MPI, else mpirun");
  command.add_option("--launcher-option", launch.launcher_options, "A word for mpirun or srun; may be repeated")
      ->type_name("WORD")
      ->allow_extra_args(false);
}

void add_python_options(CLI::App& command, PythonOptions& python) {
  command
      .add_option("--python", python.interpreter,
                  "The Python; else $VIRTUAL_ENV's, the one beside this command, python3")
      ->type_name("PATH");
  command.add_option("--isolation", python.isolation, "Run tasks in processes beside the ranks, or in the ranks: none")
      ->type_name("process|none")
      ->check([](const std::string& name) -> std::string {
        return name == "process" || name == "none" ? "" : "\"" + name + "\" is neither process nor none";
      });
  command.add_option("--preload", python.preload, "Modules that each worker imports once")->type_name("MODULE[,...]");
  command.add_option("--memory-limit", python.memory_limit, "Memory of a process that runs tasks, such as 2GiB")
      ->type_name("SIZE");
}

void add_submit_options(CLI::App& command, SubmitOptions& submit) {
  command.add_option("program", submit.program, "The script; its arguments follow --")->type_name("");
  add_number(command, "-N,--nodes", submit.nodes, "N", "Nodes");
  add_number(command, "-n,--ntasks", submit.ntasks, "N", "Ranks");
  add_number(command, "--ntasks-per-node", submit.ntasks_per_node, "K", "Ranks on each node");
  add_number(command, "-c,--cpus-per-task", submit.cpus_per_task, "T", "Cores of each rank");
  command.add_option("-t,--time", submit.time, "Time limit, such as 30 (minutes), 2:00:00, 1-12 (days-hours)")
      ->type_name("TIME");
  command.add_option("-p,--partition", submit.partition)->type_name("NAME");
  command.add_option("-A,--account", submit.account)->type_name("NAME");
  command.add_option("-J,--job-name", submit.job_name, "The job and its files; else the script's name")
      ->type_name("NAME");
  command.add_option("-o,--output", submit.output, "Output file; else NAME-%j.out")->type_name("FILE");
  command.add_option("--signal-seconds", submit.signal_seconds, "SIGUSR1 so long before the limit; 0: none")
      ->capture_default_str()
      ->type_name("S")
      ->check(CLI::Range(0, 65535));
  command.add_flag("--requeue,!--no-requeue", submit.requeues,
                   "Start the job again on status 75 or the loss of a node");
  command.add_option("--max-requeues", submit.max_requeues, "At most so often on status 75")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--sbatch-option", submit.sbatch_options, "One more #SBATCH line, such as --mem=0; may be repeated")
      ->type_name("OPTION")
      ->allow_extra_args(false);
  add_launcher_option(command, submit.launcher, "auto: srun if it can start this MPI, else mpirun");
  add_survival_option(command, submit.survives);
  add_python_options(command, submit.python);
  command.add_flag("--dry-run", submit.dry_run, "Print the batch script and do nothing");
  command.add_flag("--wait", submit.waits, "Follow the output until the job has ended, and end with its status");
}

void add_doctor_options(CLI::App& command, DoctorOptions& doctor) {
  command.add_option("--python", doctor.python.interpreter, "The Python, as for run; then it must be usable")
      ->type_name("PATH");
  command.add_option("--spill-dir", doctor.spill_folder, "A folder for large results, which all hosts must share")
      ->type_name("FOLDER");
  command
      .add_option("--json", doctor.json, "Write all that was found to a file, or with - to stdout, without the table")
      ->type_name("FILE|-");
  // A message is one MPI call, which counts in an int.
  command.add_option("--megabytes", doctor.megabytes, "Of a message that measures bandwidth (4)")
      ->type_name("M")
      ->check(CLI::Range(1, 1024));
  command.add_option("--seconds", doctor.seconds, "After which the ranks are ended (180)")
      ->type_name("S")
      ->check(CLI::Range(1.0, 86400.0));
}

}  // namespace joblib_mpi::launch
