#include "options.hpp"

#include "core/version.hpp"
#include "launch_error.hpp"
#include "program.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

namespace joblib_mpi::launch {
namespace {

constexpr const char* about = "Starts Python scripts and programs that use joblib-mpi on the ranks of an MPI job.";

constexpr const char* about_run = "Starts a script or a program on ranks, by the mpirun or srun that is here.";

constexpr const char* more_about_run =
    R"(joblib-mpi run [OPTIONS] [--] SCRIPT.py | -m MODULE | -c CODE | - | -i | PROGRAM   [ARGUMENT...]

Scripts, modules, code, standard input (-) and a console (-i) run on rank 0, with the other ranks as workers, as
"python -m joblib_mpi" runs them. Anything else is a program, which every rank runs.

  joblib-mpi run search.py                        as many ranks as there are cores here or tasks in the allocation
  joblib-mpi run -n 8 --threads 2 search.py       8 ranks, each bound to 2 cores of its own
  joblib-mpi run -n 4 -- ./simulate --steps 100   what follows the program's name or "--" is the program's
  joblib-mpi run --dry-run search.py              only show the command

Exit status: the program's; 2 if the command cannot be carried out.)";

constexpr const char* about_doctor = R"(Starts ranks as run does, and reports what they find and what is wrong.

Hosts, cores, memory, MPI, Python and its packages, the spill folder, and the ways that messages take from rank 0.)";

constexpr const char* more_about_doctor = R"(Examples:
  joblib-mpi doctor                                     as many ranks as run would start
  joblib-mpi doctor -n 8 --spill-dir /scratch/me        with a folder for large results
  joblib-mpi doctor --python venv/bin/python --json -   for programs

Exit status: 0 if a run would work, 1 if it would fail, 2 if the command cannot be carried out.)";

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

void add_launch_options(CLI::App& command, LaunchOptions& launch) {
  add_number(command, "-n,--ranks", launch.ranks, "N", "Ranks: one schedules, the others work");
  add_number(command, "--per-node", launch.ranks_per_node, "K", "Ranks on each node");
  add_number(command, "--threads", launch.threads_per_rank, "T", "Cores of each rank, to which it is bound");
  command.add_flag("--no-bind", launch.binds_none, "Bind no rank to cores");
  command.add_flag("--oversubscribe", launch.oversubscribes, "Let ranks share cores in an allocation, too");
  command.add_flag("--survive", launch.survives, "Let the job go on when a rank dies");
  command
      .add_option_function<std::string>(
          "--launcher",
          [&launch](const std::string& name) {
            launch.launcher = name == "mpirun" ? Launcher::mpirun
                              : name == "srun" ? Launcher::srun
                                               : Launcher::automatic;
          },
          "mpirun, srun, or auto, the default: srun inside Slurm if it can start this MPI")
      ->type_name("NAME")
      ->check([](const std::string& name) -> std::string {
        if (name == "auto" || name == "mpirun" || name == "srun") return "";
        return "\"" + name + "\" is none of auto, mpirun, srun";
      });
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

/// The program of `run`: what CLI11 did not take, which begins with an option only if that is one of Python's.
std::vector<std::string> program_of(const CLI::App& command, const std::vector<std::string>& after_dashes) {
  std::vector<std::string> words = command.remaining();
  if (!words.empty() && words.front().starts_with('-') && !is_python(words)) {
    throw LaunchError("unknown option " + words.front() + "; \"joblib-mpi run --help\" lists those that there are");
  }
  if (!words.empty() && !after_dashes.empty()) words.emplace_back("--");
  words.insert(words.end(), after_dashes.begin(), after_dashes.end());
  if (words.empty()) throw LaunchError("run what? Give a script or a program: joblib-mpi run [options] script.py");
  return words;
}

}  // namespace

Options options_from(std::vector<std::string> words) {
  const auto dashes = std::find(words.begin(), words.end(), "--");
  const std::vector<std::string> after_dashes(dashes == words.end() ? dashes : dashes + 1, words.end());
  words.erase(dashes, words.end());

  CLI::App command(about, "joblib-mpi");
  command.set_version_flag("--version", std::string("joblib-mpi ") + version);
  command.require_subcommand(0, 1);

  RunOptions run;
  CLI::App& run_command = *command.add_subcommand("run", about_run)->prefix_command()->footer(more_about_run);
  add_launch_options(run_command, run.launch);
  add_python_options(run_command, run.python);
  run_command.add_flag("--dry-run", run.dry_run, "Print the command and do not run it");

  DoctorOptions doctor;
  CLI::App& doctor_command = *command.add_subcommand("doctor", about_doctor)->footer(more_about_doctor);
  add_launch_options(doctor_command, doctor.launch);
  add_doctor_options(doctor_command, doctor);

  std::reverse(words.begin(), words.end());
  try {
    command.parse(std::move(words));
  } catch (const CLI::Success& request) {  // for help or the version
    std::ostringstream text;
    command.exit(request, text, text);
    return Answer{text.str()};
  } catch (const CLI::ParseError& error) {
    throw LaunchError(std::string(error.what()) + "; see joblib-mpi --help");
  }
  if (run_command.parsed()) {
    run.program = program_of(run_command, after_dashes);
    return run;
  }
  if (doctor_command.parsed()) return doctor;
  throw LaunchError("no command given; joblib-mpi --help lists them");
}

}  // namespace joblib_mpi::launch
