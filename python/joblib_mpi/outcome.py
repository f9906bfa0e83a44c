"""What came of a task, in the terms of the core, and as the caller's result or exception."""

import pickle
from collections.abc import Callable
from typing import Any

from joblib_mpi import _core
from joblib_mpi.errors import unpack_error
from joblib_mpi.lost_tasks import TaskTimeoutError, WorkerLostError

#: What `_core.Session.next_results` gives: call, ticket, rank, ending, attempts, name, head, buffers.
FinishedTask = tuple[int, int, int, str, int, str | None, bytes, list[Any]]

#: A task that ran to its end, or the exception of one that could not be sent or was lost.
Outcome = FinishedTask | BaseException

RETURNED = "returned"
RAISED = "raised"
TIMED_OUT = "timed out"
CANCELLED = "cancelled"
SPILL_FAILED = "spill failed"


def failed(outcome: Outcome) -> bool:
    """Return whether the caller gets an exception."""
    return isinstance(outcome, BaseException) or outcome[3] != RETURNED


def lost_task_error(finished: FinishedTask, host: str, n_tasks: int) -> WorkerLostError | _core.SpillError:
    """Return the error of a task that ended without an answer."""
    _, ticket, rank, ending, attempts, name, head, _ = finished
    if ending == SPILL_FAILED:
        return _core.SpillError(f'task {ticket} ("{name}") on rank {rank} ({host}): {head.decode(errors="replace")}')
    kind = TaskTimeoutError if ending == TIMED_OUT else WorkerLostError
    return kind(ticket, name or "?", rank, host, head.decode(errors="replace"), attempts, n_tasks)


def error_of(outcome: Outcome, host: Callable[[int], str]) -> BaseException | None:
    """Return the exception that the caller gets, if any; ``host`` gives the name of a rank's node."""
    if isinstance(outcome, BaseException):
        return outcome
    _, _, rank, ending, _, _, head, _ = outcome
    return None if ending == RETURNED else unpack_error(head, f"rank {rank} on {host(rank)}")


def results_of(outcome: Outcome, host: Callable[[int], str]) -> list[Any]:
    """Return the results of a batch, or raise its error; ``host`` as for `error_of`."""
    error = error_of(outcome, host)
    if error is not None:
        raise error
    return pickle.loads(outcome[6], buffers=outcome[7])
