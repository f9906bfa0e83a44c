"""A joblib batch as the head and buffers of a task, and back.

A task is a tuple that begins with its context. Four members are one function call, which is what ``batch_size=1``
sends; two are a list of calls, or any other callable that returns the list of results. Function and context are
written once for each call of ``Parallel`` and referred to afterwards: by their pickle, which the worker keeps
unpickled, or by the id of a scattered object if the pickle is long.
"""

import pickle
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from joblib_mpi.pickling import Pickler, SharingPickler, loads
from joblib_mpi.task_context import TaskContext

#: Longer pickles of functions and contexts are broadcast once. Half of the eager limit leaves room for arguments.
INLINE_BYTES = 2048

#: A pickle, the id of a scattered pickle, or (functions only) the callable itself.
Reference = Any


class EncodedTask(NamedTuple):
    """The arguments of `_core.Session.submit` after the ticket."""

    name: str
    head: bytes
    buffers: Sequence[memoryview]
    objects: Sequence[int]


class TaskEncoder:
    """Encodes the batches of one call; used by one thread.

    Parameters
    ----------
    context : TaskContext
        The context of all batches whose nested backend is the one in ``context``.
    shared : mapping of int to int
        Scattered objects, as for `SharingPickler`.
    scatter : callable
        Broadcasts a pickle and returns its object id.
    """

    def __init__(self, context: TaskContext, shared: Mapping[int, int], scatter: Callable[[bytes], int]) -> None:
        self._context = context
        # By id, with the object itself beside it so that the id stays its own.
        self._contexts: dict[tuple[int, int | None], tuple[Reference, Any]] = {}
        self._functions: dict[int, tuple[Reference, str, Callable[..., Any]]] = {}
        self._scatter = scatter
        self._constants: set[int] = set()
        self._sharing = SharingPickler(shared) if shared else None
        self._pickler = self._sharing or Pickler()

    def encode(self, batch: Any) -> EncodedTask:
        """Return ``batch`` as a task; raises `pickle.PicklingError` with what cannot be pickled."""
        try:
            items, nested_backend, nested_n_jobs = batch.items, batch._backend, batch._n_jobs
        except AttributeError:  # not joblib's own batch: ship the callable as it is
            items, nested_backend, nested_n_jobs = None, self._context.nested_backend, self._context.nested_n_jobs
        name = "?"
        try:
            context = self._context_reference(nested_backend, nested_n_jobs)
            if items is None:
                name = type(batch).__name__
                task: tuple[Any, ...] = (context, batch)
            elif len(items) == 1:
                function, args, kwargs = items[0]
                reference, name = self._function_reference(function)
                task = (context, reference, args, kwargs)
            else:
                calls = []
                for function, args, kwargs in items:
                    reference, name = self._function_reference(function)
                    calls.append((reference, args, kwargs))
                task = (context, calls)
            head, buffers = self._pickler.dumps(task)
        except Exception as error:
            raise pickle.PicklingError(
                f'the function or an argument of task "{name}" cannot be pickled to send it to a worker: '
                f"{type(error).__name__}: {error}"
            ) from error
        if self._sharing is not None and self._sharing.needed:
            return EncodedTask(name, head, buffers, tuple(self._constants | self._sharing.needed))
        return EncodedTask(name, head, buffers, tuple(self._constants) if self._constants else ())

    def _context_reference(self, nested_backend: Any, nested_n_jobs: int | None) -> Reference:
        key = (id(nested_backend), nested_n_jobs)
        known = self._contexts.get(key)
        if known is not None:
            return known[0]
        context = self._context._replace(nested_backend=nested_backend, nested_n_jobs=nested_n_jobs)
        reference = self._constant(Pickler().dumps(context, in_band=True)[0])
        self._contexts[key] = (reference, nested_backend)
        return reference

    def _function_reference(self, function: Callable[..., Any]) -> tuple[Reference, str]:
        known = self._functions.get(id(function))
        if known is not None:
            return known[0], known[1]
        name = str(getattr(function, "__name__", type(function).__name__))
        if not _is_constant(function):
            return function, name
        head, _ = self._pickler.dumps(function, in_band=True)
        if self._sharing is not None:
            self._constants |= self._sharing.needed
        reference = self._constant(head)
        self._functions[id(function)] = (reference, name, function)
        return reference, name

    def _constant(self, pickled: bytes) -> Reference:
        if len(pickled) <= INLINE_BYTES:
            return pickled
        object_id = self._scatter(pickled)
        self._constants.add(object_id)
        return object_id


def _is_constant(function: Callable[..., Any]) -> bool:
    # Bound methods, partials and callable objects have state that one task may change for the next: they travel with
    # each task, as arguments do.
    if isinstance(function, types.BuiltinFunctionType):
        return isinstance(function.__self__, types.ModuleType)
    return isinstance(function, types.FunctionType | type)


class TaskDecoder:
    """Decodes tasks on a worker and keeps the functions that they refer to.

    Parameters
    ----------
    resolve : callable
        Returns the scattered object with the given id.
    enter : callable
        Enters a `TaskContext`; called when a task's context differs from the one before.
    """

    #: Functions kept; a program that makes new ones for each call of ``Parallel`` must not fill the worker's memory.
    KEPT_FUNCTIONS = 256

    def __init__(self, resolve: Callable[[int], Any], enter: Callable[[TaskContext], None]) -> None:
        self._resolve = resolve
        self._enter = enter
        self._context: Reference = None
        self._functions: dict[bytes, Callable[..., Any]] = {}

    def decode(self, head: bytes, buffers: Sequence[Any]) -> Callable[[], list[Any]]:
        """Return the callable that runs the task and returns the list of its results."""
        task = loads(head, buffers, self._resolve)
        context = task[0]
        if context != self._context:
            self._context = None
            self._enter(loads(context, (), self._resolve) if type(context) is bytes else self._resolve(context))
            self._context = context
        if len(task) == 4:
            function, args, kwargs = self._function(task[1]), task[2], task[3]
            return lambda: [function(*args, **kwargs)]
        if callable(task[1]):
            return task[1]
        calls = [(self._function(reference), args, kwargs) for reference, args, kwargs in task[1]]
        return lambda: [function(*args, **kwargs) for function, args, kwargs in calls]

    def forget(self, object_ids: Iterable[int]) -> None:
        """Let go of functions that may hold one of the objects, which rank 0 has dropped."""
        self._functions.clear()
        if self._context in object_ids:
            self._context = None

    def _function(self, reference: Reference) -> Callable[..., Any]:
        if type(reference) is bytes:
            function = self._functions.get(reference)
            if function is None:
                function = loads(reference, (), self._resolve)
                if len(self._functions) >= self.KEPT_FUNCTIONS:
                    self._functions.clear()
                self._functions[reference] = function
            return function
        return self._resolve(reference) if type(reference) is int else reference
