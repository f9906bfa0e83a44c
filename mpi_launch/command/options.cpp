#include "command/options.hpp"

#include "command/launch_error.hpp"
#include "command/option_groups.hpp"
#include "core/version.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <sstream>
#include <utility>

namespace joblib_mpi::launch {
bool is_python(const std::vector<std::string>& words) {
  static const char* const options[] = {"-m", "-c", "-i", "-"};
  return words.front().ends_with(".py") ||
         std::find(std::begin(options), std::end(options), words.front()) != std::end(options);
}

namespace {

constexpr const char* about = "Starts Python scripts and programs that use joblib-mpi on the ranks of an MPI job.";

constexpr const char* about_run = "Starts a script or a program on MPI ranks, with the mpirun or srun found here.";

constexpr const char* more_about_run =
    R"(joblib-mpi run [OPTIONS] [--] SCRIPT.py | -m MODULE | -c CODE | - | -i | PROGRAM   [ARGUMENT...]

Scripts, modules, code, standard input (-) and a console (-i) run on rank 0, with the other ranks as workers,
as under "python -m joblib_mpi". Anything else is a program, which every rank runs.

  joblib-mpi run search.py                        one rank per core of this machine, or per task of the allocation
  joblib-mpi run -n 8 --threads 2 search.py       8 ranks, each bound to its 2 cores
  joblib-mpi run -n 4 -- ./simulate --steps 100   words after the program's name are its arguments
  joblib-mpi run --dry-run search.py              print the command and do not run it

Exit status: that of the program; 2 if the command cannot be carried out.)";

constexpr const char* about_serve = "Starts workers that wait for clients: other programs of yours on this machine.";

constexpr const char* more_about_serve =
    R"(Rank 0 waits for clients and prints the lines with which a Python program uses the workers, such as a notebook:

  import joblib, joblib_mpi
  with joblib.parallel_config(backend="mpi", scheduler_host="NAME"):

Only your own processes can be clients: on the host of rank 0, or elsewhere through srun or ssh, or with --listen those
that have a copy of the job's access file, which contains a key. "joblib-mpi list" shows the jobs that serve, and
"joblib-mpi stop NAME" ends one, as do Ctrl-C and the idle timeout.

  joblib-mpi serve                                   one rank per core of this machine, or per task of the allocation
  joblib-mpi serve -n 64 --preload sklearn           63 workers that have imported sklearn
  joblib-mpi serve --idle-timeout 30m                end after 30 minutes without a client
  joblib-mpi serve --listen cn042:0                  any free port of that interface

Exit status: 0 if the job was ended in one of these ways; 2 if the command cannot be carried out.)";

constexpr const char* about_list = "Shows your jobs that serve clients: their names, hosts, workers and states.";
constexpr const char* about_stop = "Ends one of your jobs that serve clients.";

constexpr const char* more_about_stop =
    R"(Exit status: 0 if the job has ended; 1 if there is none of that name, if it has not ended within 30 seconds, or if
it runs on another host and Slurm cannot end it; 2 if the command cannot be carried out.)";

constexpr const char* about_connect = "Joins standard input and output with a job that serves clients.";

constexpr const char* more_about_connect =
    R"(Programs elsewhere start this command through ssh or srun to become clients of the job; it copies bytes to the job's
socket and back until one side ends. JOB is the name of a job, slurm:JOBID, a path, or auto (the default) for the only
job of yours on this host. If the job is on another host of Slurm, the command goes there through srun.

Exit status: 0 if the connection was made and has ended; 1 if it could not be made; 2 if the command cannot be carried
out; 3 if there is no such job, or several.)";

constexpr const char* about_kernel = "Installs, shows and removes Jupyter kernels whose ranks start with the kernel.";

constexpr const char* about_doctor = R"(Starts ranks as run does, and reports what they find and what is wrong.

The report covers hosts, cores, memory, MPI, Python and its packages, the spill folder, and the links from rank 0.)";

constexpr const char* more_about_doctor = R"(Examples:
  joblib-mpi doctor                                     on as many ranks as run would start
  joblib-mpi doctor -n 8 --spill-dir /scratch/me        check a folder for large results, too
  joblib-mpi doctor --python venv/bin/python --json -   print the report as JSON

Exit status: 0 if a run would work, 1 if it would fail, 2 if the command cannot be carried out.)";

constexpr const char* about_submit = "Writes a Slurm batch script for a script or a program, and submits it.";

constexpr const char* more_about_submit =
    R"(joblib-mpi submit [OPTIONS] SCRIPT.py [OPTIONS] [-- ARGUMENT...]
joblib-mpi submit [OPTIONS] -- -m MODULE | -c CODE | PROGRAM [ARGUMENT...]

The batch script is kept in the current folder as NAME.sbatch, so that it can be read, edited and submitted again with
sbatch. A script that was edited is never overwritten.

Before its time limit the job gets SIGUSR1. A program that runs with a checkpoint, parallel_config(checkpoint="run.h5"),
then ends with status 75, the job is requeued, and the program resumes where it stopped.

  joblib-mpi submit search.py --nodes 4 --ntasks-per-node 16 --time 2:00:00
  joblib-mpi submit search.py --ntasks 64 --time 30 --wait -- --folds 5
  joblib-mpi submit search.py --nodes 2 --ntasks-per-node 8 --sbatch-option=--mem=0 --dry-run)";

/// Returns the program of `run` and its arguments: the words that CLI11 did not take. They begin with an option only if
/// it is one of Python's. Throws LaunchError if they begin with another option or if there are none.
std::vector<std::string> program_of(const CLI::App& command, const std::vector<std::string>& after_dashes) {
  std::vector<std::string> words = command.remaining();
  if (!words.empty() && words.front().starts_with('-') && !is_python(words)) {
    throw LaunchError("unknown option " + words.front(), "\"joblib-mpi run --help\" lists the options");
  }
  if (!words.empty() && !after_dashes.empty()) words.emplace_back("--");
  words.insert(words.end(), after_dashes.begin(), after_dashes.end());
  if (words.empty()) throw LaunchError("no script or program given", "usage: joblib-mpi run [options] script.py");
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

  ServeOptions serve;
  CLI::App& serve_command = *command.add_subcommand("serve", about_serve)->footer(more_about_serve);
  add_launch_options(serve_command, serve.launch);
  add_python_options(serve_command, serve.python);
  add_serve_options(serve_command, serve);

  ServingJobsOptions list{.python = {}, .words = {"list"}};
  CLI::App& list_command = *command.add_subcommand("list", about_list);
  add_interpreter_option(list_command, list.python);

  ServingJobsOptions stop{.python = {}, .words = {"stop"}};
  std::string job;
  CLI::App& stop_command = *command.add_subcommand("stop", about_stop)->footer(more_about_stop);
  stop_command.add_option("JOB", job, "The name of the job, as \"joblib-mpi list\" shows it")
      ->required()
      ->type_name("");
  add_interpreter_option(stop_command, stop.python);

  ConnectOptions connect;
  CLI::App& connect_command = *command.add_subcommand("connect", about_connect)->footer(more_about_connect);
  connect_command.add_option("JOB", connect.job, "The job, as for scheduler_host")->type_name("");
  connect_command.add_flag("--here", connect.is_here, "Only a job whose rank 0 runs on this host");
  add_interpreter_option(connect_command, connect.python);

  KernelOptions kernel;
  CLI::App& kernel_command = *command.add_subcommand("kernel", about_kernel)->allow_extras();
  kernel_command.set_help_flag();  // Python has the help
  add_interpreter_option(kernel_command, kernel.python);

  SubmitOptions submit;
  CLI::App& submit_command = *command.add_subcommand("submit", about_submit)->footer(more_about_submit);
  add_submit_options(submit_command, submit);

  DoctorOptions doctor;
  CLI::App& doctor_command = *command.add_subcommand("doctor", about_doctor)->footer(more_about_doctor);
  add_launch_options(doctor_command, doctor.launch);
  add_doctor_options(doctor_command, doctor);

  std::reverse(words.begin(), words.end());
  try {
    command.parse(std::move(words));
  } catch (const CLI::Success& request) {  // CLI11 throws this for --help and --version
    std::ostringstream text;
    command.exit(request, text, text);
    return Answer{text.str()};
  } catch (const CLI::ParseError& error) {
    throw LaunchError(error.what(), "see joblib-mpi --help");
  }
  if (run_command.parsed()) {
    run.program = program_of(run_command, after_dashes);
    return run;
  }
  if (submit_command.parsed()) {
    submit.program.insert(submit.program.end(), after_dashes.begin(), after_dashes.end());
    if (submit.program.empty())
      throw LaunchError("no script or program given", "usage: joblib-mpi submit [options] script.py");
    return submit;
  }
  if (kernel_command.parsed()) {
    kernel.words = kernel_command.remaining();
    if (!after_dashes.empty()) kernel.words.emplace_back("--");
    kernel.words.insert(kernel.words.end(), after_dashes.begin(), after_dashes.end());
    return kernel;
  }
  if (command.get_subcommands().empty()) {
    throw LaunchError("no command given", "joblib-mpi --help lists the commands");
  }
  if (!after_dashes.empty()) {
    const std::string name = command.get_subcommands().front()->get_name();
    throw LaunchError(name + " takes no program, but " + after_dashes.front() + " is given", "omit it");
  }
  if (serve_command.parsed()) return serve;
  if (list_command.parsed()) return list;
  if (connect_command.parsed()) return connect;
  if (doctor_command.parsed()) return doctor;
  stop.words.push_back(job);
  return stop;
}

}  // namespace joblib_mpi::launch
