"""Limits for the threads that the numeric libraries of a worker rank start."""

import os
import socket
from collections.abc import Iterable, Mapping

#: The environment variables that OpenMP and the BLAS libraries read once, when they are loaded.
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

#: The number of a rank among those of its host.
_LOCAL_RANK = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PALS_LOCAL_RANKID", "PMI_LOCAL_RANK", "SLURM_LOCALID")


def launched_rank(environment: Mapping[str, str] = os.environ) -> int | None:
    """Return the rank that the launcher gave this process, or None without a launcher; does not call MPI."""
    return _first_number(_RANK, environment)


def launched_local_rank(environment: Mapping[str, str] = os.environ) -> int | None:
    """Return the number of this process among the ranks of its host, as the launcher tells, or None if it does not."""
    return _first_number(_LOCAL_RANK, environment)


def _first_number(variables: Iterable[str], environment: Mapping[str, str]) -> int | None:
    return next((int(text) for name in variables if (text := environment.get(name, "")).isdigit()), None)


def is_launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a launcher has started this process, perhaps alone; a batch script's own process is none."""
    in_step = environment.get("SLURM_STEP_NUM_TASKS", "1") not in ("", "1")
    return in_step or any(name in environment for name in _RANK[:-1])


def this_rank() -> str:
    """Return a text for this process, such as "rank 2 on n1", with "?" for the rank if there is no launcher."""
    rank = launched_rank()
    return f"rank {'?' if rank is None else rank} on {socket.gethostname()}"


def missing_library_hint() -> str:
    """Return what to add to the error if the compiled part cannot be loaded."""
    return f"This is {this_rank()}: install joblib-mpi and its libraries on every node."


def ranks_on_node(environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of ranks of this job on this node, or 1 if the launcher does not tell."""
    if environment.get("OMPI_COMM_WORLD_LOCAL_SIZE", "").isdigit():
        return max(1, int(environment["OMPI_COMM_WORLD_LOCAL_SIZE"]))
    # "4", or "4(x2),3" when the nodes differ; the first count is close enough for a limit.
    first_node = environment.get("SLURM_STEP_TASKS_PER_NODE", "").split(",")[0].split("(")[0]
    return max(1, int(first_node)) if first_node.isdigit() else 1


def threads_per_rank(environment: Mapping[str, str], cores: int) -> int:
    """Return the number of threads that one rank may start: its share of ``cores``, at least 1.

    ``joblib-mpi run --threads`` sets it by JOBLIB_MPI_THREADS, because ranks may be bound to different ``cores``.
    """
    said = environment.get("JOBLIB_MPI_THREADS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    return max(1, cores // ranks_on_node(environment))


def apply_to_worker_rank() -> None:
    """Limit the threads of this process if it was launched as a worker rank; limits that the user has set stay."""
    if not launched_rank():
        return
    limit = str(threads_per_rank(os.environ, len(os.sched_getaffinity(0))))
    for variable in VARIABLES:
        os.environ.setdefault(variable, limit)
