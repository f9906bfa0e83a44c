#include "serve/serve.hpp"

#include "command/launch_error.hpp"
#include "run/program.hpp"
#include "run/start.hpp"

namespace joblib_mpi::launch {

LaunchPlan plan_serving(const LaunchOptions& options, const LaunchEnvironment& environment, const Command& command) {
  LaunchPlan plan = plan_launch(options, environment, command);
  if (plan.ranks > 1) return plan;
  throw LaunchError("1 rank has no workers, and clients need some", "give a number of ranks with -n, such as -n 4");
}

int serve(const ServeOptions& options) {
  const LaunchEnvironment environment = environment_for_ranks();
  const Command command = command_that_serves(options);
  return start(plan_serving(options.launch, environment, command), options.dry_run);
}

void ask_about_jobs(const ServingJobsOptions& options) {
  become(command_about_jobs(options));
}

void connect(const ConnectOptions& options) {
  become(command_that_connects(options));
}

}  // namespace joblib_mpi::launch
