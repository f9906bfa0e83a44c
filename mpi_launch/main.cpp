#include "command/launch_error.hpp"
#include "command/options.hpp"
#include "doctor/doctor.hpp"
#include "run/program.hpp"
#include "run/run.hpp"
#include "run/start.hpp"
#include "serve/serve.hpp"
#include "submit/submit.hpp"
#include "terminal/rank_start.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <variant>
#include <vector>

namespace {

using namespace joblib_mpi::launch;

/// Carries out the command that was parsed; returns the exit status.
struct CarryOut {
  int operator()(const Answer& answer) const {
    std::fputs(answer.text.c_str(), stdout);
    return 0;
  }
  int operator()(const RunOptions& options) const { return run(options); }
  int operator()(const ServeOptions& options) const { return serve(options); }
  int operator()(const ServingJobsOptions& options) const { ask_about_jobs(options); }
  int operator()(const ConnectOptions& options) const { connect(options); }
  int operator()(const KernelOptions& options) const { become(command_about_kernels(options)); }
  int operator()(const SubmitOptions& options) const { return submit(options); }
  int operator()(const DoctorOptions& options) const { return doctor(options); }
};

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    // What `run` makes of each rank's command: not for users, and therefore not among the options.
    if (words.size() > 2 && words[0] == "as-rank") return become_rank(words[1], {words.begin() + 2, words.end()});
    return std::visit(CarryOut{}, options_from(words));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "joblib-mpi: %s\n", error.what());
    return 2;
  }
}
