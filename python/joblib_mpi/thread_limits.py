"""How many threads the numeric libraries of a worker rank may start."""

import os
import socket
from collections.abc import Mapping

#: Read once by OpenMP and the BLAS libraries when they are loaded.
VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

# SLURM_PROCID comes last: under mpirun inside Slurm it is the daemon's, not the rank's.
_RANK = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")


def launched_rank(environment: Mapping[str, str] = os.environ) -> int | None:
    """Return the rank that the launcher gave this process, or None without a launcher; asks no MPI."""
    for variable in _RANK:
        if environment.get(variable, "").isdigit():
            return int(environment[variable])
    return None


def this_rank() -> str:
    """Return this process in words: "rank 2 on n1", with "?" for the rank without a launcher."""
    rank = launched_rank()
    return f"rank {'?' if rank is None else rank} on {socket.gethostname()}"


def ranks_on_node(environment: Mapping[str, str] = os.environ) -> int:
    """Return how many ranks of this job share the node, 1 if the launcher does not say."""
    if environment.get("OMPI_COMM_WORLD_LOCAL_SIZE", "").isdigit():
        return max(1, int(environment["OMPI_COMM_WORLD_LOCAL_SIZE"]))
    # "4", or "4(x2),3" when the nodes differ; the first count is close enough for a limit.
    first_node = environment.get("SLURM_STEP_TASKS_PER_NODE", "").split(",")[0].split("(")[0]
    return max(1, int(first_node)) if first_node.isdigit() else 1


def threads_per_rank(environment: Mapping[str, str], cores: int) -> int:
    """Return the share of ``cores`` that one rank may use for threads of its own, at least 1.

    ``joblib-mpi run --threads`` says it in JOBLIB_MPI_THREADS: the ranks may be bound to ``cores`` of their own.
    """
    said = environment.get("JOBLIB_MPI_THREADS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    return max(1, cores // ranks_on_node(environment))


def apply_to_worker_rank() -> None:
    """Limit the threads of this process if it was launched as a worker rank; what the user has set stays."""
    if not launched_rank():
        return
    limit = str(threads_per_rank(os.environ, len(os.sched_getaffinity(0))))
    for variable in VARIABLES:
        os.environ.setdefault(variable, limit)
