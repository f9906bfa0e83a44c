#include "run/program.hpp"

#include "command/command_output.hpp"
#include "command/launch_error.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>

namespace joblib_mpi::launch {
namespace {

namespace fs = std::filesystem;

/// The time limit for starting Python, which is slow on a cold shared file system. Chosen, not measured.
constexpr double longest_look_seconds = 60;

std::string here() {
  std::error_code error;
  return fs::current_path(error).string();
}

bool is_file(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error) && !fs::is_directory(path, error);
}

/// Runs `joblib_mpi.serving.connect` without the package's own contents, which import joblib and NumPy: half a second
/// that each client would wait. A look beforehand at whether Python has joblib_mpi would cost another start of Python.
constexpr const char* code_that_connects = R"(
import importlib.util, sys
package = importlib.util.find_spec("joblib_mpi")
if package is None:
    sys.exit(f"joblib-mpi: {sys.executable} has no module joblib_mpi; name another Python with --python")
sys.modules["joblib_mpi"] = importlib.util.module_from_spec(package)
from joblib_mpi.serving.connect import main
sys.exit(main(sys.argv[1:]))
)";

/// Returns the Python that `options` names, or that is found. Throws LaunchError unless it has joblib_mpi.
std::string python_with_joblib_mpi(const PythonOptions& options) {
  std::string python = find_python(options);
  const auto looked = output_of(
      {python, "-P", "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('joblib_mpi') is None)"},
      longest_look_seconds);
  if (!looked) throw LaunchError("cannot start " + python, "choose another Python with --python");
  if (looked->status == 0) return python;
  throw LaunchError(python + " has no module joblib_mpi" + (looked->text.empty() ? "" : " (" + looked->text + ")"),
                    "install it there: " + python +
                        " -m pip install joblib-mpi, activate its environment, or name "
                        "another Python with --python");
}

/// Returns the command `python -m joblib_mpi` with the words `first` and the options.
Command session_command(const PythonOptions& options, const std::vector<std::string>& first) {
  // With -P, Python and joblib-mpi take no modules from the working directory.
  Command command{{python_with_joblib_mpi(options), "-P", "-m", "joblib_mpi"}, true, {}};
  command.words.insert(command.words.end(), first.begin(), first.end());
  const std::pair<const char*, const std::string&> settings[] = {
      {"--isolation", options.isolation}, {"--preload", options.preload}, {"--memory-limit", options.memory_limit}};
  for (const auto& [name, value] : settings) {
    if (!value.empty()) command.words.insert(command.words.end(), {name, value});
  }
  return command;
}

Command python_command(const std::vector<std::string>& program, const PythonOptions& options) {
  const std::string& first = program.front();
  if (first.ends_with(".py") && !is_file(first)) {
    throw LaunchError("there is no script " + first + " in " + here(), "check its path");
  }
  Command command = session_command(options, {"--unsafe-path"});
  command.words.insert(command.words.end(), program.begin(), program.end());
  return command;
}

/// Returns the command `python -m module arguments…`.
std::vector<std::string> module_command(const std::string& module, const PythonOptions& options,
                                        const std::vector<std::string>& arguments) {
  std::vector<std::string> words{python_with_joblib_mpi(options), "-P", "-m", module};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

void require_program(const std::string& name) {
  if (found_on_path(name)) return;
  if (is_file(name)) {
    throw LaunchError(name + " is not executable",
                      "run chmod +x " + name + " if it is a program; the name of a Python script must end in .py");
  }
  if (name.find('/') != std::string::npos)
    throw LaunchError("there is no program " + name + " in " + here(), "check its path");
  throw LaunchError("there is no program " + name + " on PATH", "give its path, such as ./" + name);
}

Command program_command(const std::vector<std::string>& program, const PythonOptions& options) {
  const std::string& first = program.front();
  require_program(first);
  if (!options.preload.empty() || !options.memory_limit.empty()) {
    throw LaunchError("--preload and --memory-limit are only for Python scripts, but " + first + " is a program",
                      "omit them");
  }
  Command command{program, false, {}};
  if (!options.isolation.empty()) command.variables.emplace_back("JOBLIB_MPI_ISOLATION", options.isolation);
  return command;
}

}  // namespace

Command command_for(const std::vector<std::string>& program, const PythonOptions& options) {
  return is_python(program) ? python_command(program, options) : program_command(program, options);
}

Command command_that_serves(const ServeOptions& options) {
  Command command = session_command(options.python, {});
  command.words.emplace_back("--serve");
  if (options.idle_timeout_seconds > 0) {
    command.words.insert(command.words.end(), {"--idle-timeout", std::to_string(options.idle_timeout_seconds)});
  }
  if (!options.listen.empty()) command.words.insert(command.words.end(), {"--listen", options.listen});
  return command;
}

std::vector<std::string> command_about_jobs(const ServingJobsOptions& options) {
  return module_command("joblib_mpi.serving.command", options.python, options.words);
}

std::vector<std::string> command_about_kernels(const KernelOptions& options) {
  return module_command("joblib_mpi.kernel.command", options.python, options.words);
}

std::vector<std::string> command_that_connects(const ConnectOptions& options) {
  std::vector<std::string> words{find_python(options.python), "-P", "-c", code_that_connects};
  if (options.is_here) words.emplace_back("--here");
  words.push_back(options.job);
  return words;
}

std::string find_python(const PythonOptions& options) {
  if (!options.interpreter.empty()) {
    const auto found = found_on_path(options.interpreter);
    if (!found) throw LaunchError("--python " + options.interpreter + ": there is no such program", "check its path");
    return *found;
  }
  std::vector<std::string> candidates;
  if (const char* environment = std::getenv("VIRTUAL_ENV"); environment != nullptr && *environment != '\0') {
    candidates.push_back(std::string(environment) + "/bin/python");
  }
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error) candidates.push_back((self.parent_path() / "python").string());
  candidates.emplace_back("python3");
  for (const std::string& candidate : candidates) {
    if (const auto found = found_on_path(candidate)) return *found;
  }
  throw LaunchError("there is no python3 on PATH", "name a Python with --python");
}

}  // namespace joblib_mpi::launch
