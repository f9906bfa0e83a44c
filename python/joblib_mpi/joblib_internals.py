"""joblib's private names that the backend uses, and what it does without them.

joblib documents neither which of the calls on a backend it is ending, nor what it keeps between two calls, nor what is
in a batch. Each function here reads one such thing, and has an answer for a joblib that has renamed it.

For speed two more names are read where every task passes by: ``BatchedCalls.items`` in `Dispatcher.submit` and
`TaskEncoder.encode`, and ``BatchCompletionCallBack.parallel`` in `MpiBackend.submit`.
"""

import queue
import weakref
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Protocol

import joblib.parallel
from joblib.parallel import ParallelBackendBase, SequentialBackend

try:
    from joblib.externals.loky.process_executor import TerminatedWorkerError as _TerminatedWorkerError
except ImportError:
    _TerminatedWorkerError = RuntimeError

#: The error that joblib's users catch when a worker process of joblib's own dies.
TerminatedWorkerError: Any = _TerminatedWorkerError

#: Returns the nested backend of a batch and its ``n_jobs``; raises AttributeError if ``batch`` does not say.
nesting_of: Callable[[Any], tuple[Any, int | None]] = attrgetter("_backend", "_n_jobs")


def items_of(batch: Any) -> list[Any] | None:
    """Return the ``(function, args, kwargs)`` of the tasks in a batch, or None if ``batch`` is any other callable."""
    items = getattr(batch, "items", None)
    return items if type(items) is list else None


def split_batch(batch: Any) -> list[Any]:
    """Return a batch for each task of ``batch``; what is not joblib's own batch counts as one task."""
    items = items_of(batch)
    if items is None:
        return [batch]
    try:
        backend, n_jobs = nesting_of(batch)
    except AttributeError:
        return [SimpleNamespace(items=[item]) for item in items]
    return [SimpleNamespace(items=[item], _backend=backend, _n_jobs=n_jobs) for item in items]


def is_over(parallel: Any) -> bool:
    """Return whether joblib is ending the running call of ``parallel``, or has ended it.

    Without joblib's flags every call counts as over: joblib has told the backend to end some call.
    """
    return getattr(parallel, "_aborting", True) or not getattr(parallel, "_running", False)


def returns_generator(parallel: Any) -> bool | None:
    """Return whether the results of ``parallel`` are taken from a generator, or None if joblib does not say."""
    return getattr(parallel, "return_generator", None)


def hands_out_unordered(parallel: Any) -> bool:
    """Return whether the results of ``parallel`` are taken from a generator in the order in which tasks end."""
    return getattr(parallel, "return_ordered", True) is False


def waits_for_results(parallel: Any) -> Callable[[], bool] | None:
    """Return what tells whether joblib still waits for results of ``parallel``, or None if joblib does not say."""
    is_unfinished = getattr(parallel, "_wait_retrieval", None)
    if is_unfinished is None or not hasattr(parallel, "_aborting"):
        return None
    return lambda: is_unfinished() and not parallel._aborting


def has_results_waiting(parallel: Any) -> bool:
    """Return whether ``parallel`` has results that its generator's consumer has not taken; False if that is unknown."""
    done = getattr(joblib.parallel, "TASK_DONE", None)
    if done is None:
        return False
    return any(getattr(job, "status", None) == done for job in list(getattr(parallel, "_jobs", ())))


def discard_prepared_batches(parallel: Any) -> None:
    """Drop the batches that ``parallel`` has prepared and not submitted.

    joblib (1.3 to 1.6, with any backend) keeps those of a call that failed, and returns their results in the next call
    of the same object. Without the queue in which it keeps them there is nothing to drop.
    """
    prepared = getattr(parallel, "_ready_batches", None)
    if isinstance(prepared, queue.Queue):
        with suppress(queue.Empty):
            while True:
                prepared.get(block=False)


def active_backend() -> Any:
    """Return the backend of the ``parallel_config`` around the caller, or joblib's own; None if joblib does not say."""
    find = getattr(joblib.parallel, "get_active_backend", None)
    return None if find is None else find()[0]


def threading_backend(nesting_level: int) -> ParallelBackendBase:
    """Return joblib's backend that runs tasks on threads; the sequential one if joblib does not list it."""
    known = getattr(joblib.parallel, "BACKENDS", {})
    return known.get("threading", SequentialBackend)(nesting_level=nesting_level)


def announce_backend(name: str, register: Callable[[], None]) -> None:
    """Have joblib call ``register`` when a program names a backend that it does not know yet.

    `joblib.parallel_config` looks there. Without that list, a registered backend is known all the same.
    """
    known = getattr(joblib.parallel, "EXTERNAL_BACKENDS", None)
    if known is not None:
        known[name] = register


class TaskWatch(Protocol):
    """Looks at the tasks that a program gives to joblib."""

    def begin(self) -> None:
        """Expect further tasks after those that the backend has."""

    def of(self, tasks: Iterator[Any], limit: int = 0) -> Iterator[Any]:
        """Yield ``tasks``, or others in their place; after ``limit`` of them there may be more elsewhere."""


def watch_tasks(parallel: Any, watch: TaskWatch | None) -> None:
    """Have ``parallel`` pass the tasks of its calls through ``watch``, or take them as they are.

    Without joblib's method that takes the tasks they stay unwatched.
    """
    vars(parallel).pop("dispatch_one_batch", None)
    take: Any = getattr(type(parallel), "dispatch_one_batch", None)
    if watch is None or take is None:
        return
    reference = weakref.ref(parallel)  # the object has the function, and must not keep itself alive by it
    first: Any = None  # the tasks that joblib dispatches at first, and the watched ones in their place
    watched_first: Any = None
    watched_rest: Any = None  # the other tasks, which joblib compares by identity
    errors: list[Exception] = []

    def dispatch_one_batch(tasks: Iterator[Any] | None) -> bool:
        nonlocal first, watched_first, watched_rest
        owner: Any = reference()
        prepared = getattr(owner, "_ready_batches", None)
        with getattr(owner, "_lock", nullcontext()):  # joblib's, which it may take twice: a take ends before the next
            if not isinstance(prepared, queue.Queue) or not prepared.queue:
                watch.begin()
            rest: Any = getattr(owner, "_original_iterator", None)
            if tasks is not None and tasks is rest:
                if tasks is not watched_rest:
                    tasks = watched_rest = owner._original_iterator = watch.of(tasks)
            elif tasks is not None:
                if tasks is not first:
                    first = tasks
                    watched_first = watch.of(tasks, getattr(owner, "_pre_dispatch_amount", 0))
                    if getattr(owner, "pre_dispatch", None) == "all":
                        watched_first = _NotingErrors(watched_first, errors)
                tasks = watched_first
            any_taken = bool(take(owner, tasks))
        if errors:  # of the range of tasks: joblib (1.3 to 1.6) forgets it if no task is running
            raise errors.pop()
        return any_taken

    parallel.dispatch_one_batch = dispatch_one_batch


class _NotingErrors:
    """Tasks whose errors are noted; they may go on after a StopIteration."""

    def __init__(self, tasks: Iterator[Any], errors: list[Exception]) -> None:
        self._tasks = tasks
        self._errors = errors

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._tasks)
        except StopIteration:
            raise
        except Exception as error:
            self._errors.append(error)
            raise


class _Outputs:
    """The results of a call that returns a list, whose error may be a StopIteration."""

    def __init__(self, outputs: Iterator[Any]) -> None:
        self._outputs = outputs

    def __next__(self) -> Any:
        return next(self._outputs)

    def __iter__(self) -> Iterator[Any]:
        __tracebackhide__ = True  # in the tracebacks of IPython and pytest
        try:
            return iter(list(self._outputs))
        except RuntimeError as error:
            # Python has made it of the StopIteration that a generator of joblib's has raised. From here, and not from
            # `__next__`, that exception reaches the caller of `list`.
            if isinstance(error.__cause__, StopIteration):
                raise error.__cause__ from error.__cause__.__cause__
            raise


def pass_on_stop_iteration(parallel: Any) -> None:
    """Have calls of ``parallel`` that return lists raise the StopIteration of a task, and not a RuntimeError.

    Without joblib's method that makes the results they raise a RuntimeError.
    """
    make = getattr(type(parallel), "_get_outputs", None)
    if make is None or getattr(parallel, "return_generator", True):
        return
    reference = weakref.ref(parallel)
    parallel._get_outputs = lambda *arguments: _Outputs(make(reference(), *arguments))
