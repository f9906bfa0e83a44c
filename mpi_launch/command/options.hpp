#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace joblib_mpi::launch {

/// The launcher that the user asks for.
enum class Launcher { automatic, mpirun, srun };

/// The options of `run` and `doctor` that say how to start ranks.
struct LaunchOptions {
  std::optional<int> ranks;             ///< -n; if unset, the allocation or the machine decides
  std::optional<int> ranks_per_node;    ///< --per-node
  std::optional<int> threads_per_rank;  ///< --threads: cores of each rank
  Launcher launcher = Launcher::automatic;
  bool binds_none = false;      ///< --no-bind
  bool oversubscribes = false;  ///< --oversubscribe: even inside an allocation
  bool survives = false;        ///< --survive: a rank that dies does not end the job
  std::vector<std::string> launcher_options;
};

/// The options for `python -m joblib_mpi`; an empty one leaves the choice to it.
struct PythonOptions {
  std::string interpreter;
  std::string isolation;
  std::string preload;
  std::string memory_limit;
};

/// The options of `joblib-mpi run`.
struct RunOptions {
  LaunchOptions launch;
  PythonOptions python;
  bool dry_run = false;
  std::vector<std::string> program;  ///< never empty
};

/// The options of `joblib-mpi serve`.
struct ServeOptions {
  LaunchOptions launch;
  PythonOptions python;
  long idle_timeout_seconds = 0;  ///< after this time without a client the job ends; 0: never
  std::string listen;             ///< the address HOST:PORT at which clients on other hosts are let in; empty: none
  bool dry_run = false;
};

/// The command `joblib-mpi list`, or `joblib-mpi stop JOB`.
struct ServingJobsOptions {
  PythonOptions python;            ///< only the interpreter is used
  std::vector<std::string> words;  ///< the command and its arguments
};

/// The command `joblib-mpi connect [JOB]`.
struct ConnectOptions {
  PythonOptions python;  ///< only the interpreter is used
  std::string job = "auto";
  bool is_here = false;  ///< --here: the job's rank 0 has to run on this host
};

/// The command `joblib-mpi kernel`, whose words Python reads.
struct KernelOptions {
  PythonOptions python;            ///< only the interpreter is used
  std::vector<std::string> words;  ///< what follows "kernel"
};

/// The options of `joblib-mpi submit`: a batch job of Slurm. Slurm decides what is empty or unset.
struct SubmitOptions {
  std::optional<int> nodes;
  std::optional<int> ntasks;
  std::optional<int> ntasks_per_node;
  std::optional<int> cpus_per_task;
  std::string time;
  std::string partition;
  std::string account;
  std::string job_name;
  std::string output;
  int signal_seconds = 120;  ///< from the signal to the time limit; 0: no signal
  bool requeues = true;
  int max_requeues = 10;
  std::vector<std::string> sbatch_options;
  Launcher launcher = Launcher::automatic;
  bool survives = false;
  PythonOptions python;
  bool dry_run = false;
  bool waits = false;
  std::vector<std::string> program;  ///< never empty
};

/// The options of `joblib-mpi doctor`.
struct DoctorOptions {
  LaunchOptions launch;
  PythonOptions python;      ///< only the interpreter is used
  std::string spill_folder;  ///< empty: the default folder of a run
  std::string json;          ///< a file, or "-" for standard output; empty: none
  int megabytes = 4;         ///< size of the messages that measure bandwidth
  double seconds = 180;      ///< time limit of the whole examination
};

/// A text to print instead of doing anything else: help or the version.
struct Answer {
  std::string text;
};

using Options = std::variant<Answer, RunOptions, ServeOptions, ServingJobsOptions, ConnectOptions, KernelOptions,
                             SubmitOptions, DoctorOptions>;

/// Parses the command line, given without its first word. Throws LaunchError if it is wrong.
[[nodiscard]] Options options_from(std::vector<std::string> words);

/// Returns whether Python runs `words`, as `python -m joblib_mpi words…`: they begin with a name ending in .py, -m, -c,
/// -i or -. Anything else is a program.
[[nodiscard]] bool is_python(const std::vector<std::string>& words);

}  // namespace joblib_mpi::launch
