"""The variables by which a launcher tells a process that it is a rank; loads next to nothing."""

import os
from collections.abc import Mapping

# A child process that inherits these variables takes itself for the rank, and an MPI_Init in it never returns.
_LAUNCHER_VARIABLES = ("OMPI_", "PMIX_", "PMI_", "SLURM_STEP_NUM_TASKS", "MPI_LOCALNRANKS")
_KEPT_VARIABLES = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")

# Beside those, what differs between the ranks of a node.
_RANK_VARIABLES = ("MPI_LOCALRANKID", "PALS_", "PRTE_", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_TASK_PID")

#: What names the job among those of a node, each alone.
_JOB_VARIABLES = ("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "SLURM_JOB_ID", "SLURM_STEP_ID", "PALS_APID")


def forget_launcher() -> None:
    """Remove the launcher's variables, so that programs that this process starts can initialise MPI for themselves."""
    for variable in [name for name in os.environ if name.startswith(_LAUNCHER_VARIABLES)]:
        if variable not in _KEPT_VARIABLES:
            del os.environ[variable]


def job_name(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return what the launcher calls the job, equal on all ranks of a node and in no other job; empty if unknown."""
    return tuple(f"{name}={environment[name]}" for name in _JOB_VARIABLES if environment.get(name))


def without_rank(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that the launcher does not set for each rank."""
    return {
        name: value for name, value in environment.items() if not name.startswith(_LAUNCHER_VARIABLES + _RANK_VARIABLES)
    }
