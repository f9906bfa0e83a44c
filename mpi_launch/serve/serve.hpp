#pragma once

#include "command/options.hpp"
#include "run/launch_plan.hpp"

namespace joblib_mpi::launch {

/// Carries out `joblib-mpi serve` and returns the job's exit status; if the launcher replaces this process, it does not
/// return. With `dry_run` it only prints the launcher's command line. Throws LaunchError if the ranks cannot be
/// started.
int serve(const ServeOptions& options);

/// Becomes the Python program that carries out `joblib-mpi list` or `stop`. Throws LaunchError if there is none.
[[noreturn]] void ask_about_jobs(const ServingJobsOptions& options);

/// Becomes the Python program that carries out `joblib-mpi connect`. Throws LaunchError if there is no Python.
[[noreturn]] void connect(const ConnectOptions& options);

/// Decides how to start `command`, which serves clients, on ranks. Throws LaunchError if that is impossible, or if
/// there would be no workers.
[[nodiscard]] LaunchPlan plan_serving(const LaunchOptions& options, const LaunchEnvironment& environment,
                                      const Command& command);

}  // namespace joblib_mpi::launch
