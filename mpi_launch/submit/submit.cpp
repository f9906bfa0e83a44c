#include "submit/submit.hpp"

#include "command/command_output.hpp"
#include "command/launch_error.hpp"
#include "run/mpi_built_with.hpp"
#include "run/program.hpp"
#include "submit/batch_script.hpp"
#include "submit/follow_job.hpp"
#include "submit/script_seal.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

namespace joblib_mpi::launch {
namespace {

namespace fs = std::filesystem;

/// The time limit for an answer of the controller, which may be under load. Chosen, not measured.
constexpr double longest_answer_seconds = 120;

Launcher launcher_of_job(const SubmitOptions& options) {
  if (options.launcher != Launcher::automatic) return options.launcher;
  const auto list = output_of({"srun", "--mpi=list"}, longest_answer_seconds);
  const bool has_pmix = list && list->text.find("pmix") != std::string::npos;
  return has_pmix && mpi_built_with().is_open_mpi() ? Launcher::srun : Launcher::mpirun;
}

BatchCommands commands_of_job(const SubmitOptions& options) {
  BatchCommands commands;
  const Command command = command_for(options.program, options.python);
  if (command.is_python) commands.python = fs::absolute(command.words.front()).string();
  commands.joblib_mpi = fs::read_symlink("/proc/self/exe").string();
  commands.launcher = launcher_of_job(options);
  return commands;
}

std::optional<std::string> content_of(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void write_script(const std::string& path, const std::string& script) {
  const auto present = content_of(path);
  if (present && !has_intact_seal(*present)) {
    throw LaunchError(path + " was changed since \"joblib-mpi submit\" wrote it, and is left alone",
                      "submit it with \"sbatch " + path + "\", remove it, or give another --job-name");
  }
  std::ofstream file(path, std::ios::trunc);
  file << sealed(script);
  file.close();
  if (!file)
    throw LaunchError("cannot write " + path + " in " + fs::current_path().string(),
                      "submit from a folder with write permission");
}

/// Checks that the folder of the output file exists: without it Slurm lets the job fail at its start, without a
/// message.
void require_folder_of(const std::string& output) {
  const fs::path folder = fs::path(output).parent_path();
  if (folder.empty() || folder.string().find('%') != std::string::npos || fs::is_directory(folder)) return;
  throw LaunchError("the folder of --output " + output + " does not exist", "make it: mkdir -p " + folder.string());
}

/// Returns the job's id from the output of `sbatch --parsable`: a line "12" or "12;cluster", perhaps among warnings.
std::optional<std::string> job_id_in(const std::string& text) {
  std::istringstream lines(text);
  std::optional<std::string> id;
  for (std::string line; std::getline(lines, line);) {
    const std::string number = line.substr(0, line.find(';'));
    if (!number.empty() && number.find_first_not_of("0123456789") == std::string::npos) id = number;
  }
  return id;
}

}  // namespace

int submit(const SubmitOptions& options) {
  check_submission(options);
  require_folder_of(job_output(options));
  const std::string script = batch_script(options, commands_of_job(options));
  if (options.dry_run) {
    std::fputs(script.c_str(), stdout);
    return 0;
  }
  if (!found_on_path("sbatch")) {
    throw LaunchError("there is no sbatch on PATH", "log in where Slurm's commands are, or load their module");
  }
  const std::string path = job_name(options) + ".sbatch";
  write_script(path, script);
  const auto answer = output_of({"sbatch", "--parsable", path}, longest_answer_seconds);
  const auto id = answer && answer->status == 0 ? job_id_in(answer->text) : std::nullopt;
  if (!id) throw LaunchError("sbatch refused " + path + ": " + (answer ? answer->text : "it cannot be started"));
  std::fprintf(stderr, "joblib-mpi: job %s of %s is submitted; its output goes to %s\n", id->c_str(), path.c_str(),
               job_output(options).c_str());
  if (!options.waits) {
    std::printf("%s\n", id->c_str());
    return 0;
  }
  return follow_job(*id);
}

}  // namespace joblib_mpi::launch
