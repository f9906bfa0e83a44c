#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace joblib_mpi::launch {

enum class Launcher { automatic, mpirun, srun };

/// How ranks are to be started, as `run` and `doctor` have it.
struct LaunchOptions {
  std::optional<int> ranks;             ///< -n; else what the allocation or the machine has
  std::optional<int> ranks_per_node;    ///< --per-node
  std::optional<int> threads_per_rank;  ///< --threads: cores of each rank
  Launcher launcher = Launcher::automatic;
  bool binds_none = false;      ///< --no-bind
  bool oversubscribes = false;  ///< --oversubscribe: in an allocation, too
  bool survives = false;        ///< --survive: a rank that dies does not end the job
  std::vector<std::string> launcher_options;
};

/// What `python -m joblib_mpi` is told, empty where it decides.
struct PythonOptions {
  std::string interpreter;
  std::string isolation;
  std::string preload;
  std::string memory_limit;
};

struct RunOptions {
  LaunchOptions launch;
  PythonOptions python;
  bool dry_run = false;
  std::vector<std::string> program;  ///< never empty
};

/// A batch job of Slurm. Empty and unset options are Slurm's to decide.
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
  int signal_seconds = 120;  ///< before the time limit; 0: no signal
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

struct DoctorOptions {
  LaunchOptions launch;
  PythonOptions python;      ///< the interpreter alone
  std::string spill_folder;  ///< empty: where a run that does not say puts large results
  std::string json;          ///< a file, or "-" for standard output; empty: none
  int megabytes = 4;         ///< of the messages that measure bandwidth
  double seconds = 180;      ///< for all of it
};

/// A text to print instead of doing anything: help, version.
struct Answer {
  std::string text;
};

using Options = std::variant<Answer, RunOptions, SubmitOptions, DoctorOptions>;

/// Reads the command line without its first word. Throws LaunchError.
[[nodiscard]] Options options_from(std::vector<std::string> words);

/// Returns whether `words` are run by Python, as `python -m joblib_mpi words…`: they begin with a script's name, -m,
/// -c, -i or -. Anything else is a program.
[[nodiscard]] bool is_python(const std::vector<std::string>& words);

}  // namespace joblib_mpi::launch
