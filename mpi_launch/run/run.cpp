#include "run/run.hpp"

#include "run/program.hpp"
#include "run/start.hpp"

namespace joblib_mpi::launch {

int run(const RunOptions& options) {
  const LaunchEnvironment environment = environment_for_ranks();
  return start(plan_launch(options.launch, environment, command_for(options.program, options.python)), options.dry_run);
}

}  // namespace joblib_mpi::launch
