"""The worker that this process belongs to: its numbers in the job and on its host, and its host's name."""

import multiprocessing
import multiprocessing.process
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from joblib_mpi import thread_limits

#: What launchers call the number of a rank among those of its host; that of Slurm comes last, as in `thread_limits`.
_LOCAL_RANK = ("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PALS_LOCAL_RANKID", "PMI_LOCAL_RANK", "SLURM_LOCALID")


@dataclass(frozen=True)
class Worker:
    """The place in the job where a task, or the program, runs.

    Parameters
    ----------
    rank : int
        The MPI rank; workers have ranks from 1 on. -1 in a task if the launcher tells its processes no ranks.
    local_rank : int
        The number of the rank among those on its host, from 0; rank 0 counts. -1 if the launcher does not tell.
    host : str
        The name of the host.
    index : int
        The number of the worker, from 0 to the number of workers less 1; 0 on rank 0, too.
    """

    rank: int
    local_rank: int
    host: str
    index: int


def launched_worker(environment: Mapping[str, str] = os.environ) -> Worker:
    """Return the worker as the launcher's variables tell, without MPI."""
    rank = thread_limits.launched_rank(environment)
    local_rank = next((int(text) for name in _LOCAL_RANK if (text := environment.get(name, "")).isdigit()), -1)
    return Worker(-1 if rank is None else rank, local_rank, socket.gethostname(), index_of(rank))


def worker_of(job: Any) -> Worker:
    """Return the worker that this rank is; ``job`` is a session of `_core`."""
    rank, host = job.rank, job.host(job.rank)
    local_rank = sum(job.host(lower) == host for lower in range(rank))
    return Worker(rank, local_rank, host, index_of(rank))


def index_of(rank: int | None) -> int:
    """Return the index of the worker that has this rank; -1 for an unknown rank."""
    return -1 if rank is None else max(rank - 1, 0)


def become(worker: Worker) -> None:
    """Let this process be ``worker`` for `this_worker` and its children, and for `multiprocessing.current_process`."""
    global _this
    _this = worker
    process = multiprocessing.current_process()
    process.name = f"joblib-mpi-worker-{worker.rank}"
    # Private, but read by programs that choose a device or a row of a progress bar by it; children's names begin so.
    process._identity = (worker.rank,)
    with suppress(AttributeError, OSError):  # `multiprocessing.parent_process` tells that this is no main process
        parent = os.getppid()
        kind = multiprocessing.process._ParentProcess  # type: ignore[attr-defined]
        parent_process = kind("MainProcess", parent, os.pidfd_open(parent))
        multiprocessing.process._parent_process = parent_process  # type: ignore[attr-defined]


def this_worker() -> Worker | None:
    """Return the worker that this process, or the one that has forked it, has become; None on rank 0."""
    return _this


_this: Worker | None = None
