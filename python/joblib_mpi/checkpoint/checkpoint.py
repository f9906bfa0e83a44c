"""Calls whose results are kept on disk, so that the program's next run need not compute them again.

A `Checkpoint` belongs to one ``with parallel_config(checkpoint=…)`` block, or to one ``Parallel`` object with that
argument. Its calls are numbered in the order in which they start, and each task has its index in its call. A result is
used again for a task with the same call, index and content; another content at the same place is refused.
"""

import os
import platform
import threading
import time
import warnings
import weakref
from collections.abc import Sequence
from typing import Any

import cloudpickle

from joblib_mpi import _core
from joblib_mpi.checkpoint import checkpoint_signals
from joblib_mpi.checkpoint.task_keys import TaskKeys, Unchanged
from joblib_mpi.joblib_internals import items_of
from joblib_mpi.payloads.file_maps import WrittenFile
from joblib_mpi.payloads.outcome import RETURNED, FinishedTask, Outcome
from joblib_mpi.payloads.pickling import AnswerPickler
from joblib_mpi.payloads.snapshot import task_with_values

#: Results of at most this size are copied until they are on the disk; larger ones are handed out only then.
_COPIED_BYTES = 64_000_000

#: The part of the grace period that a lost wake-up would cost.
_LOOK_AGAIN_SECONDS = 0.1


class Checkpoint:
    """The checkpoint file of one block of calls.

    Parameters
    ----------
    path : str
        The file. The first call opens it, and `close` merges its parts.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        self._journal: _core.Journal | None = None
        self._n_calls = 0
        self._calls: weakref.WeakSet[CheckpointedCall] = weakref.WeakSet()

    def start_call(self, key: Any = None, unchanged: Unchanged = lambda begin, end: None) -> "CheckpointedCall":
        """Open the file if it is not open, and return the next call.

        Parameters
        ----------
        key : object, optional
            Content that counts for each task of the call, as in `TaskKeys`.
        unchanged : callable, optional
            As for `TaskKeys`.

        Raises
        ------
        CheckpointError
            The file cannot be used, or ``key`` has no content; the text says why and what to do.
        CheckpointInterrupt
            The run has been told to end.
        """
        checkpoint_signals.raise_if_interrupted()
        call = CheckpointedCall(self.open(), self._n_calls, TaskKeys(key, unchanged))
        self._n_calls += 1
        self._calls.add(call)
        return call

    def open(self) -> _core.Journal:
        """Open the file if it is not open, and return its journal; raises as `start_call` does."""
        if self._journal is not None:
            return self._journal
        other = _open.get(self._path)
        if other is not None and all(call.is_over for call in other._calls):
            other.close()  # its block is over, but something such as a traceback keeps it alive
        self._journal = journal = _core.Journal(self._path, _identity())
        _open[self._path] = self
        checkpoint_signals.watch(self._interrupted)
        journal.heed_signals()
        _warn_of(journal)
        return journal

    def close(self) -> None:
        """Write everything to disk, and merge it into one file unless the run was told to end."""
        journal, self._journal = self._journal, None
        if journal is None:
            return
        if _open.get(self._path) is self:
            del _open[self._path]
        journal.leave_signals()
        checkpoint_signals.forget(self._interrupted)
        if checkpoint_signals.interrupted():
            journal.flush()
        else:
            journal.finish()
        _warn_of(journal)

    def _interrupted(self) -> tuple[float, int]:
        journal = self._journal
        if journal is None:
            return 0.0, 0
        return journal.grace_seconds, journal.requeue_status


class Checkpoints:
    """Finds the checkpoint of a call: that of its ``Parallel`` object, else that of the backend's ``with`` block.

    Parameters
    ----------
    backend : object
        The backend; its block is over once it is garbage.
    path : str or None
        The checkpoint file of the block.
    """

    def __init__(self, backend: Any, path: str | None) -> None:
        self._own = None if path is None else Checkpoint(path)
        if self._own is not None:
            weakref.finalize(backend, self._own.close)
        self._of_parallel: weakref.WeakKeyDictionary[Any, Checkpoint] = weakref.WeakKeyDictionary()

    def of(self, parallel: Any, path: str | None = None) -> Checkpoint | None:
        """Return the checkpoint of a call of ``parallel``; ``path`` is the file of this object alone, if any."""
        own = None if parallel is None else self._of_parallel.get(parallel)
        if own is None and parallel is not None and path is not None:
            self._of_parallel[parallel] = own = Checkpoint(path)
            weakref.finalize(parallel, own.close)
        return self._own if own is None else own

    def close_of(self, parallel: Any) -> None:
        """Close the checkpoint of ``parallel`` alone, if it has one, until its next call."""
        own = self._of_parallel.get(parallel)
        if own is not None:
            own.close()


#: Open checkpoints by path. A file that another process has open is refused by the journal.
_open: dict[str, Checkpoint] = {}


class CheckpointedCall:
    """One call: finds the results that earlier runs have left, and keeps those that arrive.

    Only one thread at a time may call `find` and `keep`.

    Parameters
    ----------
    journal : _core.Journal
        The open file.
    call : int
        The number of the call in its checkpoint, from 0.
    keys : TaskKeys
        Computes the keys of the call's tasks.

    Attributes
    ----------
    is_over : bool
        True once no further result is found or kept.
    """

    def __init__(self, journal: _core.Journal, call: int, keys: TaskKeys) -> None:
        self._journal = journal
        self._results = _core.JournaledCall(journal, call)
        self._keys = keys
        self._one_less = threading.Event()
        self._has_warned_of_file = False
        self.is_over = False

    def find(self, index: int, batch: Any) -> tuple[bytes | memoryview, list[Any]] | None:
        """Return the result that an earlier run has computed, as the head and buffers of its pickle, or None.

        Parameters
        ----------
        index : int
            The task's index in its call.
        batch : object
            A batch with the task alone.

        Raises
        ------
        CheckpointError
            Something else was computed at this place, or ``batch`` has no content to compare, or the task was to write
            to a file through a memory map, and nothing shows that the file has what it wrote.
        CheckpointInterrupt
            The run has been told to end: no further task starts.
        """
        checkpoint_signals.raise_if_interrupted()
        items = items_of(batch)
        function, args, kwargs = task_with_values(*items[0]) if items is not None else (batch, (), {})
        name = str(getattr(function, "__name__", type(function).__name__))
        keys = self._keys.key(function, args, kwargs)
        written = self._keys.written_file
        result: tuple[bytes | memoryview, list[Any]] | None = None
        refusal: _core.CheckpointError | None = None
        try:
            result = self._results.find(index, *keys, name)
        except _core.CheckpointError as error:
            if written is None:
                raise
            refusal = error  # what the task has written may be all that differs
        if written is not None and (result is not None or refusal is not None):
            raise _core.CheckpointError(
                f'an earlier run has finished task {index}, "{name}", which can write to {_described(written)}, and '
                "nothing shows that the file still has what it wrote. If tasks only read the map, open it with mode "
                '"r"; otherwise return what they compute, or run this call without checkpoint'
            ) from refusal
        if result is None:
            _warn_of(self._journal)  # a damaged file may have lost it
            if written is not None:
                self._warn_of_written(written, name)
        return result

    def _warn_of_written(self, file: WrittenFile, name: str) -> None:
        if self._has_warned_of_file:
            return
        self._has_warned_of_file = True
        warnings.warn(
            f'task "{name}" of a call with a checkpoint can write to {_described(file)}: no later run can go on from '
            "its result, because nothing will show that the file still has what it wrote. If tasks only read the map, "
            'open it with mode "r"; otherwise return what they compute',
            RuntimeWarning,
            stacklevel=3,
        )

    def keep(self, index: int, outcome: Outcome) -> None:
        """Keep the result of a task that `find` has not found; a failed task is not kept."""
        if type(outcome) is FinishedTask and outcome.ending == RETURNED:  # a call with a checkpoint has no batches
            self._keep_unchanged(index, outcome.head, outcome.buffers)
        else:
            self._results.forget(index)
        self._one_less.set()

    def withdraw(self, index: int) -> None:
        """Forget a task that `find` has not found and that is not going to run."""
        self._results.forget(index)
        self._one_less.set()

    def keep_value(self, index: int, results: list[Any]) -> None:
        """Keep the results that a task has returned in this process."""
        self._keep_unchanged(index, *AnswerPickler().dumps(results))

    def _keep_unchanged(self, index: int, head: bytes | memoryview, buffers: Sequence[Any]) -> None:
        # The program may write to the arrays of a result before the journal has written them to the disk.
        views = [memoryview(buffer) for buffer in buffers]
        if sum(view.nbytes for view in views) <= _COPIED_BYTES:
            self._results.keep(index, head, [bytes(view) for view in views])
        else:
            self._results.keep(index, head, buffers)
            self._journal.flush()

    def end(self) -> None:
        """End the call; if the run was told to end, first wait for running tasks until the grace period is over."""
        deadline = checkpoint_signals.deadline()
        if deadline is not None:
            while self._results.has_tasks_under_way and time.monotonic() < deadline:
                self._one_less.wait(_LOOK_AGAIN_SECONDS)
                self._one_less.clear()
            self._journal.flush()
        self.is_over = True
        _warn_of(self._journal)


def found_task(call: int, index: int, result: tuple[bytes | memoryview, list[Any]]) -> FinishedTask:
    """Return a result that `find` has found, as if a worker had just returned it."""
    return FinishedTask((call, index, 0, RETURNED, 0, None, *result, 0, 1))


def _described(file: WrittenFile) -> str:
    return f'the memory map of "{file.name}" (mode "{file.mode}")'


def _identity() -> str:
    # The versions on which the pickles of results depend.
    return f"joblib-mpi {_core.__version__}, Python {platform.python_version()}, cloudpickle {cloudpickle.__version__}"


def _warn_of(journal: _core.Journal) -> None:
    for text in journal.take_warnings():
        warnings.warn(text, RuntimeWarning, stacklevel=3)
