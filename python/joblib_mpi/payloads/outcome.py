"""The outcome of a task, in the terms of the core and as the caller's result or exception."""

import pickle
from collections.abc import Callable
from typing import Any, final

from joblib_mpi import _core
from joblib_mpi.payloads.errors import as_error_of_program, unpack_error
from joblib_mpi.payloads.import_errors import result_import_error
from joblib_mpi.payloads.lost_tasks import TaskTimeoutError, WorkerLostError

#: A finished task, as `Coordinator.next_results` returns it.
FinishedTask = _core.FinishedTask

RETURNED = "returned"
RAISED = "raised"
TIMED_OUT = "timed out"
CANCELLED = "cancelled"
SPILL_FAILED = "spill failed"
NO_ROOM = "no room"


@final
class DividedBatch:
    """The parts of a batch whose items several workers have shared, and which have all returned.

    Parameters
    ----------
    parts : list of FinishedTask
        The parts, in any order.
    """

    ending = RETURNED

    def __init__(self, parts: list[FinishedTask]) -> None:
        self.parts = sorted(parts, key=lambda part: part.first_item)


#: A finished task or batch, or the exception of a task that could not be sent or was lost.
Outcome = FinishedTask | DividedBatch | BaseException


def failed(outcome: Outcome) -> bool:
    """Return whether the caller gets an exception for this outcome."""
    return isinstance(outcome, BaseException) or outcome.ending != RETURNED


def lost_task_error(finished: FinishedTask, host: str) -> WorkerLostError | _core.SpillError | MemoryError:
    """Return the error of a task that ended without an answer."""
    index, rank, name, reason = (
        finished.task_index + finished.first_item,
        finished.rank,
        finished.name,
        bytes(finished.head).decode(errors="replace"),
    )
    if finished.ending == SPILL_FAILED:
        return _core.SpillError(f'task {index} ("{name}") on rank {rank} ({host}): {reason}')
    if finished.ending == NO_ROOM:
        return MemoryError(
            f'the result of task {index} ("{name}") on rank {rank} ({host}) is lost: {reason}. Return less at a time, '
            "or let large results go through files with a lower spill_threshold or memory_budget"
        )
    kind = TaskTimeoutError if finished.ending == TIMED_OUT else WorkerLostError
    return kind(index, name or "?", rank, host, reason, finished.attempts, finished.items)


def error_of(outcome: Outcome, host: Callable[[int], str]) -> BaseException | None:
    """Return the exception that the caller gets, or None; ``host`` returns the name of a rank's host."""
    if isinstance(outcome, BaseException):
        return outcome
    if isinstance(outcome, DividedBatch) or outcome.ending == RETURNED:
        return None
    return unpack_error(outcome.head, f"rank {outcome.rank} on {host(outcome.rank)}")


def results_of(outcome: Outcome, host: Callable[[int], str]) -> list[Any]:
    """Return the results of a batch, or raise its error; ``host`` as for `error_of`."""
    error = error_of(outcome, host)
    if error is not None:
        raise as_error_of_program(error)
    assert not isinstance(outcome, BaseException)  # as it would be the error
    if isinstance(outcome, DividedBatch):
        return [result for part in outcome.parts for result in loaded_results(part, host)]
    return loaded_results(outcome, host)


def loaded_results(finished: FinishedTask, host: Callable[[int], str]) -> list[Any]:
    """Return the results of a batch that has returned; raises ImportError, with what to do, if this process cannot."""
    try:
        results: list[Any] = pickle.loads(finished.head, buffers=finished.buffers)
    except (ImportError, AttributeError) as error:
        raise result_import_error(error, f"rank {finished.rank} on {host(finished.rank)}") from error
    return results
