"""SIGUSR1 and SIGTERM while a checkpoint is open: the run is about to end, and to be started again later.

Slurm sends SIGUSR1 some time before the time limit if asked to (``--signal=USR1@120``), and SIGTERM when it cancels or
preempts a job. Either may arrive twice.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

_SIGNALS = (signal.SIGUSR1, signal.SIGTERM)

#: Returns the grace period of a checkpoint in seconds and the exit status; its journal has heard the signal before.
Interrupted = Callable[[], tuple[float, int]]

_watching: list[Interrupted] = []
_previous: dict[int, Any] = {}
_interrupt: "tuple[CheckpointInterrupt, float] | None" = None  # with the end of the grace period
_tasks_here = 0


class CheckpointInterrupt(SystemExit):
    """The run was told to end while a checkpoint was open; the results of all finished tasks are on disk.

    A program that does not catch this exception exits with its ``code``, by default 75 (``EX_TEMPFAIL``). A batch
    script takes this status as a request to put the job back into the queue.
    """


def watch(interrupted: Interrupted) -> None:
    """Have ``interrupted`` called when a signal arrives. Only the main thread can begin to watch for signals."""
    _watching.append(interrupted)
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if number not in _previous:
                _previous[number] = signal.signal(number, _handle)


def forget(interrupted: Interrupted) -> None:
    """Undo `watch`. Once nothing is watched, the main thread restores the former signal handlers."""
    if interrupted in _watching:
        _watching.remove(interrupted)
    if not _watching and threading.current_thread() is threading.main_thread():
        _restore_handlers()


def interrupted() -> bool:
    """Return whether a signal has arrived."""
    return _interrupt is not None


def deadline() -> float | None:
    """Return the end of the grace period on the monotonic clock in seconds, or None if no signal has arrived."""
    return None if _interrupt is None else _interrupt[1]


def raise_if_interrupted() -> None:
    """Raise `CheckpointInterrupt` if a signal has arrived."""
    if _interrupt is not None:
        raise CheckpointInterrupt(_interrupt[0].code)


class TaskHere:
    """A context in which the main thread runs a task: a signal that arrives there waits for the task's end."""

    def __enter__(self) -> None:
        global _tasks_here
        self._counts = threading.current_thread() is threading.main_thread()
        _tasks_here += self._counts

    def __exit__(self, kind: object, *error: object) -> None:
        global _tasks_here
        _tasks_here -= self._counts
        if kind is None and self._counts and _tasks_here == 0:
            raise_if_interrupted()


def ignore_in_workers() -> None:
    """Have a worker rank and the processes that it forks later ignore SIGUSR1, because rank 0 acts on it."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def heed_in_rank_0() -> None:
    """Undo `ignore_in_workers`."""
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def _restore_handlers() -> None:
    while _previous:
        number, handler = _previous.popitem()
        signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _leave_to_parent() -> None:
    """In a fork of rank 0, have signals do what they did before: the checkpoint is its parent's."""
    _watching.clear()
    _restore_handlers()


os.register_at_fork(after_in_child=_leave_to_parent)


def _handle(number: int, frame: Any) -> None:
    global _interrupt
    if not _watching:  # the last checkpoint was closed by another thread
        signal.signal(number, _previous.pop(number, None) or signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    if _interrupt is not None:
        return
    told = [interrupted() for interrupted in list(_watching)]
    grace_seconds, status = max(told)
    _interrupt = CheckpointInterrupt(status), time.monotonic() + grace_seconds
    os.write(
        2,
        f"joblib_mpi: {signal.Signals(number).name}: the run is ending: running tasks have {grace_seconds:g} s, "
        f"and the program exits with status {status}; start it again to resume from its checkpoint\n".encode(),
    )
    if _tasks_here == 0:
        raise _interrupt[0]
