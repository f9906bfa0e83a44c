#include "core/lonely_start.hpp"

#include "support/catch.hpp"

#include <map>

using namespace joblib_mpi;
using joblib_mpi::test::contains;

namespace {

std::optional<LonelyStart> start_with(const std::map<std::string, std::string>& environment) {
  return lonely_start(
      [&](const char* name) -> std::optional<std::string> {
        const auto found = environment.find(name);
        return found == environment.end() ? std::nullopt : std::optional(found->second);
      },
      "Open MPI v4.1.4");
}

}  // namespace

TEST_CASE("a process that was started alone may be the only rank") {
  CHECK_FALSE(start_with({}));
  CHECK_FALSE(start_with({{"OMPI_COMM_WORLD_SIZE", "1"}}));
  CHECK_FALSE(start_with({{"PMI_SIZE", "1"}, {"PMI_RANK", "0"}, {"MPI_LOCALNRANKS", "1"}}));
  CHECK_FALSE(start_with({{"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}, {"PMIX_RANK", "0"}}));
  CHECK_FALSE(start_with({{"PMI_SIZE", ""}, {"SLURM_STEP_NUM_TASKS", "many"}}));
}

TEST_CASE("a batch script's program may be the only rank") {
  CHECK_FALSE(start_with({{"SLURM_JOB_ID", "1"}, {"SLURM_NTASKS", "64"}, {"SLURM_PROCID", "0"}}));
}

TEST_CASE("mpirun's daemons in Slurm are not its ranks") {
  CHECK_FALSE(start_with({{"OMPI_COMM_WORLD_SIZE", "1"}, {"SLURM_STEP_NUM_TASKS", "4"}}));
  const auto start =
      start_with({{"OMPI_COMM_WORLD_SIZE", "8"}, {"OMPI_COMM_WORLD_RANK", "4"}, {"SLURM_STEP_NUM_TASKS", "4"}});
  REQUIRE(start);
  CHECK_FALSE(start->is_first);
  CHECK_THAT(start->text, contains("an mpirun of Open MPI has started 8 processes"));
}

TEST_CASE("tasks of srun that are alone are told how to start") {
  const auto start = start_with({{"SLURM_STEP_NUM_TASKS", "64"}, {"SLURM_PROCID", "0"}});
  REQUIRE(start);
  CHECK(start->is_first);
  CHECK(start->lacks_pmix);
  CHECK_THAT(start->text, contains("srun has started 64 processes") && contains("Open MPI v4.1.4") &&
                              contains("\"srun --mpi=pmix -n 64 …\"") && contains("\"joblib-mpi run -n 64 …\""));
  CHECK_FALSE(start_with({{"SLURM_STEP_NUM_TASKS", "64"}, {"SLURM_PROCID", "63"}})->is_first);
  CHECK_FALSE(start_with({{"SLURM_STEP_NUM_TASKS", "64"}, {"SLURM_PROCID", "0"}, {"PMIX_RANK", "0"}})->lacks_pmix);
  CHECK_THAT(start_with({{"SLURM_STEP_NUM_TASKS", "4"}, {"PMI_SIZE", "4"}, {"PMI_RANK", "1"}})->text,
             contains("srun has"));
}

TEST_CASE("processes of another MPI's launcher are told to take their own") {
  const auto start =
      start_with({{"PMI_SIZE", "4"}, {"PMI_RANK", "2"}, {"MPI_LOCALNRANKS", "4"}, {"MPI_LOCALRANKID", "2"}});
  REQUIRE(start);
  CHECK_FALSE(start->is_first);
  CHECK_FALSE(start->lacks_pmix);
  CHECK_THAT(start->text, contains("another MPI") && contains("the mpirun that belongs to Open MPI v4.1.4"));
  CHECK(start_with({{"MPI_LOCALNRANKS", "2"}, {"MPI_LOCALRANKID", "0"}})->is_first);
  // Hydra also starts its daemons as a step of Slurm.
  CHECK_THAT(start_with({{"SLURM_STEP_NUM_TASKS", "2"}, {"PMI_SIZE", "8"}, {"PMI_RANK", "0"}})->text,
             contains("started 8"));
}
