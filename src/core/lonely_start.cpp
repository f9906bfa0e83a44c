#include "core/lonely_start.hpp"

#include <charconv>
#include <utility>

namespace joblib_mpi {
namespace {

std::optional<int> number(const EnvironmentLookup& lookup, const char* name) {
  const std::optional<std::string> text = lookup(name);
  int value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{}) return std::nullopt;
  return value;
}

std::string text_of(int processes, const std::string& launcher, const std::string& mpi, const std::string& remedy) {
  const std::string ranks = std::to_string(processes);
  return launcher + " has started " + ranks + " processes, but " + mpi + " does not make ranks of one job of them; " +
         "start them by " + remedy + ", or by \"joblib-mpi run -n " + ranks + " …\"";
}

}  // namespace

std::optional<LonelyStart> lonely_start(const EnvironmentLookup& lookup, const std::string& mpi) {
  const auto alone = [](std::optional<int> processes) { return !processes || *processes <= 1; };
  const std::string own_mpirun = "the mpirun that belongs to " + mpi;

  // Inside a Slurm allocation mpirun starts its daemons as a job step, so mpirun's own variables come first.
  if (const auto processes = number(lookup, "OMPI_COMM_WORLD_SIZE")) {
    if (alone(processes)) return std::nullopt;
    return LonelyStart{number(lookup, "OMPI_COMM_WORLD_RANK").value_or(0) == 0, false,
                       text_of(*processes, "an mpirun of Open MPI", mpi, own_mpirun)};
  }
  const auto step = number(lookup, "SLURM_STEP_NUM_TASKS");
  const auto of_pmi = number(lookup, "PMI_SIZE");
  if (!alone(step) && (!of_pmi || of_pmi == step)) {
    return LonelyStart{number(lookup, "SLURM_PROCID").value_or(0) == 0, !lookup("PMIX_RANK"),
                       text_of(*step, "srun", mpi, "\"srun --mpi=pmix -n " + std::to_string(*step) + " …\"")};
  }
  for (const auto& [size, rank] :
       {std::pair{"PMI_SIZE", "PMI_RANK"}, std::pair{"MPI_LOCALNRANKS", "MPI_LOCALRANKID"}}) {
    const auto processes = number(lookup, size);
    if (alone(processes)) continue;
    return LonelyStart{number(lookup, rank).value_or(0) == 0, false,
                       text_of(*processes, "a launcher of another MPI, such as MPICH's mpirun,", mpi, own_mpirun)};
  }
  return std::nullopt;
}

}  // namespace joblib_mpi
