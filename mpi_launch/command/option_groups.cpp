#include "command/option_groups.hpp"

#include "command/listen_address.hpp"
#include "command/time_span.hpp"

#include <charconv>
#include <string>

namespace joblib_mpi::launch {
namespace {

/// Returns an empty text if `text` is a whole number of at least 1, or else an error text that says so.
std::string positive(const std::string& text) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc{} && stop == end && value >= 1) return "";
  return "\"" + text + "\" is not a whole number of at least 1";
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
        return "\"" + name + "\" is not a launcher; known: auto, mpirun, srun";
      });
}

void add_survival_option(CLI::App& command, bool& survives) {
  command.add_flag("--survive", survives, "Let the job continue when a rank dies");
}

}  // namespace

void add_launch_options(CLI::App& command, LaunchOptions& launch) {
  add_number(command, "-n,--ranks", launch.ranks, "N", "Number of ranks: rank 0 schedules, the others run tasks");
  add_number(command, "--per-node", launch.ranks_per_node, "K", "Ranks per node");
  add_number(command, "--threads", launch.threads_per_rank, "T", "Cores per rank; each rank is bound to its cores");
  command.add_flag("--no-bind", launch.binds_none, "Do not bind ranks to cores");
  command.add_flag("--oversubscribe", launch.oversubscribes, "Let ranks share cores even inside an allocation");
  add_survival_option(command, launch.survives);
  add_launcher_option(command, launch.launcher, "auto: srun inside Slurm if it can start this MPI, else mpirun");
  command.add_option("--launcher-option", launch.launcher_options, "An argument for mpirun or srun; may be repeated")
      ->type_name("WORD")
      ->allow_extra_args(false);
}

void add_interpreter_option(CLI::App& command, PythonOptions& python) {
  command
      .add_option("--python", python.interpreter,
                  "Python interpreter (default: that of $VIRTUAL_ENV, the one beside this command, python3)")
      ->type_name("PATH");
}

void add_python_options(CLI::App& command, PythonOptions& python) {
  add_interpreter_option(command, python);
  command
      .add_option("--isolation", python.isolation,
                  "Where tasks run: in processes beside the ranks, or (none) inside the ranks")
      ->type_name("process|none")
      ->check([](const std::string& name) -> std::string {
        return name == "process" || name == "none" ? "" : "\"" + name + "\" is neither process nor none";
      });
  command.add_option("--preload", python.preload, "Modules that each worker imports once")->type_name("MODULE[,...]");
  command
      .add_option("--memory-limit", python.memory_limit, "Memory limit of each process that runs tasks, such as 2GiB")
      ->type_name("SIZE");
}

void add_serve_options(CLI::App& command, ServeOptions& serve) {
  const auto set = [&serve](const std::string& text) { serve.idle_timeout_seconds = *seconds_of_time_span(text); };
  command
      .add_option_function<std::string>(
          "--idle-timeout", set, "End the job after this time without a client, such as 90s, 30m or 2h (0: never)")
      ->type_name("TIME")
      ->check([](const std::string& text) -> std::string {
        return seconds_of_time_span(text) ? "" : "\"" + text + "\" is no time, such as 90 (seconds), 90s, 30m or 2h";
      });
  command
      .add_option("--listen", serve.listen,
                  "Also let your programs on other hosts in, over TLS, at an address of rank 0's host (port 0: any)")
      ->type_name("HOST:PORT")
      ->check(why_no_address);
  command.add_flag("--dry-run", serve.dry_run, "Print the command and do not run it");
}

void add_submit_options(CLI::App& command, SubmitOptions& submit) {
  command.add_option("program", submit.program, "The script to run; its arguments follow --")->type_name("");
  add_number(command, "-N,--nodes", submit.nodes, "N", "Number of nodes");
  add_number(command, "-n,--ntasks", submit.ntasks, "N", "Number of ranks");
  add_number(command, "--ntasks-per-node", submit.ntasks_per_node, "K", "Ranks per node");
  add_number(command, "-c,--cpus-per-task", submit.cpus_per_task, "T", "Cores per rank");
  command.add_option("-t,--time", submit.time, "Time limit, such as 30 (minutes), 2:00:00, 1-12 (days-hours)")
      ->type_name("TIME");
  command.add_option("-p,--partition", submit.partition)->type_name("NAME");
  command.add_option("-A,--account", submit.account)->type_name("NAME");
  command.add_option("-J,--job-name", submit.job_name, "Name of the job and of its files (default: the script's name)")
      ->type_name("NAME");
  command.add_option("-o,--output", submit.output, "Output file (default: NAME-%j.out)")->type_name("FILE");
  command
      .add_option("--signal-seconds", submit.signal_seconds, "Send SIGUSR1 this long before the time limit; 0: never")
      ->capture_default_str()
      ->type_name("S")
      ->check(CLI::Range(0, 65535));
  command.add_flag("--requeue,!--no-requeue", submit.requeues,
                   "Requeue the job if it ends with status 75 or loses a node");
  command.add_option("--max-requeues", submit.max_requeues, "Largest number of requeues on status 75")
      ->capture_default_str()
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--sbatch-option", submit.sbatch_options,
                  "Another option for sbatch, such as --mem=0; may be repeated")
      ->type_name("OPTION")
      ->allow_extra_args(false);
  add_launcher_option(command, submit.launcher, "auto: srun if it can start this MPI, else mpirun");
  add_survival_option(command, submit.survives);
  add_python_options(command, submit.python);
  command.add_flag("--dry-run", submit.dry_run, "Print the batch script without submitting it");
  command.add_flag("--wait", submit.waits, "Follow the job's output until the job ends, and return its exit status");
}

void add_doctor_options(CLI::App& command, DoctorOptions& doctor) {
  command.add_option("--python", doctor.python.interpreter, "Python interpreter, as for run; if given, it must work")
      ->type_name("PATH");
  command.add_option("--spill-dir", doctor.spill_folder, "Folder for large results; all hosts must share it")
      ->type_name("FOLDER");
  command
      .add_option("--json", doctor.json,
                  "Write the findings as JSON to a file, or with - to stdout in place of the table")
      ->type_name("FILE|-");
  // A message is one MPI call, whose count is an int.
  command.add_option("--megabytes", doctor.megabytes, "Size in MB of the messages that measure bandwidth (4)")
      ->type_name("M")
      ->check(CLI::Range(1, 1024));
  command.add_option("--seconds", doctor.seconds, "Time after which the ranks are ended (180)")
      ->type_name("S")
      ->check(CLI::Range(1.0, 86400.0));
}

}  // namespace joblib_mpi::launch
