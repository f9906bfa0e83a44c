"""The worker that this process belongs to: its numbers in the job and on its host, and its host's name."""

import mmap
import multiprocessing
import multiprocessing.process
import os
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from joblib_mpi import thread_limits

#: A program that has this variable was started by a task, and starts no ranks: each task could start a job.
TASK_VARIABLE = "JOBLIB_MPI_TASK"

#: Chosen, not measured: a rank announces itself as soon as its session has started.
_LONGEST_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Worker:
    """The place in the job where a task, or the program, runs.

    Parameters
    ----------
    rank : int
        The MPI rank; workers have ranks from 1 on.
    local_rank : int
        The number of the rank among those on its host, from 0; rank 0 counts.
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
    """Return the worker as the launcher's variables tell, without MPI; -1 stands for what they do not tell."""
    rank = thread_limits.launched_rank(environment)
    local_rank = thread_limits.launched_local_rank(environment)
    return Worker(_or_unknown(rank), _or_unknown(local_rank), socket.gethostname(), index_of(rank))


def _or_unknown(number: int | None) -> int:
    return -1 if number is None else number


def worker_of(job: Any) -> Worker:
    """Return the worker that this rank is; ``job`` is a session of `_core`."""
    rank, host = job.rank, job.host(job.rank)
    local_rank = sum(job.host(lower) == host for lower in range(rank))
    return Worker(rank, local_rank, host, index_of(rank))


class Announcement:
    """Memory in which a rank tells the executors that are forked from it which worker it is, once MPI has told it.

    Executors, which share it with the rank, are forked before MPI is initialised. It is for launchers that say nothing
    in the environment.
    """

    _LAYOUT = struct.Struct("?qq")

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, self._LAYOUT.size)

    def make(self, worker: Worker) -> None:
        """Announce ``worker``; may be called once."""
        self._LAYOUT.pack_into(self._memory, 0, False, worker.rank, worker.local_rank)
        self._memory[:1] = b"\1"  # last, for those who read at the same time

    def heard(self) -> Worker | None:
        """Return the worker that was announced, on this host; None before that."""
        made, rank, local_rank = self._LAYOUT.unpack_from(self._memory)
        return Worker(rank, local_rank, socket.gethostname(), index_of(rank)) if made else None


def expect_announcement(worker: Worker) -> None:
    """Prepare for `announce` in the rank that is ``worker``, unless its launcher has told all of it."""
    global _announcement
    if -1 in (worker.rank, worker.local_rank):
        _announcement = Announcement()


def announce(job: Any) -> None:
    """Tell the executors of this rank which worker it is; ``job`` is a session of `_core`."""
    if _announcement is not None:
        _announcement.make(worker_of(job))


def become_announced() -> None:
    """Become, in an executor, the worker that its rank announces; waits for that if a task comes earlier."""
    global _announcement
    if _announcement is None:
        return
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    while (worker := _announcement.heard()) is None and time.monotonic() < deadline:
        time.sleep(0.001)
    if worker is not None:
        become(worker)
    _announcement = None


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
_announcement: Announcement | None = None
