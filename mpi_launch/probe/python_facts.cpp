#include "command/captured_run.hpp"
#include "probe/rank_facts.hpp"
#include "probe/report_json.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace joblib_mpi::launch {
namespace {

/// The Python program that prints a PythonFacts as JSON. What the imports print is discarded.
constexpr const char* question = R"(
import contextlib, importlib, io, json, os, platform, re, sys
facts = dict(executable=sys.executable, version=platform.python_version(), mpi_file="", packages={}, error="")
with contextlib.redirect_stdout(io.StringIO()):
    for name in ("joblib_mpi", "joblib", "cloudpickle", "numpy", "sklearn"):
        try:
            facts["packages"][name] = str(getattr(importlib.import_module(name), "__version__", "unknown"))
            if name == "joblib_mpi":
                importlib.import_module("joblib_mpi._mpi")  # as in a rank
        except BaseException as error:
            if name != "sklearn" and not facts["error"]:
                facts["error"] = f"{type(error).__name__}: {error}"
libraries = {line.split()[-1] for line in open("/proc/self/maps") if re.search(r"/libmpi\.so[.0-9]*$", line)}
facts["mpi_file"] = os.path.realpath(min(libraries)) if libraries else ""
print("joblib-mpi-python " + json.dumps(facts))
)";

bool belongs_to_a_job(std::string_view name) {
  constexpr std::array prefixes{"OMPI_", "OPAL_", "ORTE_", "PMIX_", "PMI_", "PRTE_"};
  return std::ranges::any_of(prefixes, [&](const char* prefix) { return name.starts_with(prefix); });
}

/// Returns the last line that is not blank; in a traceback that is the exception.
std::string last_line(const std::string& text) {
  std::string last;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  }
  return last;
}

}  // namespace

PythonFacts ask_python(const std::string& executable, double limit_seconds) {
  // The process has nothing to save, so it is killed at once after the limit.
  const CapturedRun run = run_captured({executable, "-P", "-c", question}, environment_without(belongs_to_a_job),
                                       {.seconds = limit_seconds, .grace_seconds = 0.1});
  PythonFacts facts;
  facts.executable = executable;
  const std::string mark = "joblib-mpi-python ";
  const auto start = run.output.rfind(mark);
  if (start != std::string::npos) {
    const auto json = nlohmann::json::parse(run.output.substr(start + mark.size()), nullptr, false);
    if (!json.is_discarded()) return json.get<PythonFacts>();
  }
  std::ostringstream seconds;
  seconds << limit_seconds;
  facts.error = !run.started       ? run.errors
                : run.timed_out    ? "no answer within " + seconds.str() + " s"
                : run.status > 128 ? "ended by signal " + std::to_string(run.status - 128)
                                   : last_line(run.errors);
  if (facts.error.empty()) facts.error = "it ended with status " + std::to_string(run.status) + " and no answer";
  return facts;
}

}  // namespace joblib_mpi::launch
