"""A joblib batch as the head and buffers of a task, and back.

A task is the tuple ``(function, args, kwargs)``, as for ``batch_size=1``, a list of such tuples, or any other callable
that returns the list of results. Its context follows the pickle, because the executor must enter the context before it
unpickles: proxies of multiprocessing managers connect while they are unpickled.

Function and context are pickled once for each call of ``Parallel``. Each task refers to them: by that pickle, or, if it
is long, by the id of an object that has it. The executor keeps a function that is imported, or that holds nothing that
a task could change, until one has changed it by a way that the check does not see. It loads any other function anew for
each task, so that no task sees what another has done to the script's variables. For a wrapped function, only the
wrapper's own attributes are sent with each task.
"""

import functools
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from joblib_mpi.joblib_internals import items_of, nesting_of
from joblib_mpi.payloads.callables import is_constant, is_partial, name_of, state_of_wrapper
from joblib_mpi.payloads.exception_access import text_of
from joblib_mpi.payloads.immutability import holds_nothing_mutable
from joblib_mpi.payloads.kept_functions import FunctionReference, KeptFunctions
from joblib_mpi.payloads.main_names import begin_task, hide_from_main, show_nested
from joblib_mpi.payloads.pickling import Pickler
from joblib_mpi.payloads.shared_pickling import (
    Head,
    Objects,
    ObjectSharingPickler,
    SharingPickler,
    loads,
    private_bytes,
    trailer_end,
)
from joblib_mpi.payloads.task_context import TaskContext
from joblib_mpi.sharing.call_buffers import CallBuffers
from joblib_mpi.sharing.hashed_memory import ChangedContentError

#: Longer pickles of functions and contexts are broadcast once. Half of MPI's eager limit leaves room for arguments.
INLINE_BYTES = 2048

#: A pickle, the id of an object that has a pickle, or (functions only) a `_ForOneTask`, a `_Wrapped`, or the callable.
Reference = Any

_PICKLE_START = b"\x80"
_OBJECT_START = b"o"


class _ForOneTask(NamedTuple):
    """A function that each task loads for itself.

    Attributes
    ----------
    function : bytes or int
        The function's pickle, or the id of an object that has it.
    """

    function: FunctionReference


class _Alone(NamedTuple):
    """A task of a batch, pickled apart from the others because its arguments hold functions or classes by value.

    Attributes
    ----------
    task : bytes
        The pickle of the tuple of function, arguments and keyword arguments.
    """

    task: bytes


class _Wrapped(NamedTuple):
    """A callable around a function, such as scikit-learn's ``_FuncWrapper`` or a partial.

    Attributes
    ----------
    kind : type
        The class of the wrapper.
    function : Reference
        The wrapped function.
    copied : tuple of str
        The names of attributes that `functools.update_wrapper` has copied from the function.
    state : tuple
        The arguments of a partial; or the names of a wrapper's attributes that are the function, and its other
        attributes.
    """

    kind: type[Any]
    function: Reference
    copied: tuple[str, ...]
    state: Any


#: The arguments of `Coordinator.submit` after the index: name, head, buffers, objects, and perhaps the only rank.
EncodedTask = (
    tuple[str, bytes, Sequence[memoryview], Sequence[int]] | tuple[str, bytes, Sequence[memoryview], Sequence[int], int]
)


class TaskEncoder:
    """Encodes the batches of one call; for one thread only.

    Parameters
    ----------
    context : TaskContext
        The context of all batches whose nested backend is the one in ``context``.
    shared : mapping of int to int
        The scattered objects, as for `ObjectSharingPickler`.
    buffers : CallBuffers
        Finds the other buffers that the workers have.
    private : bool
        Whether each task may write to shared arrays.
    """

    def __init__(
        self, context: TaskContext, shared: Mapping[int, int], buffers: CallBuffers, private: bool = False
    ) -> None:
        self._context = context
        self._trailers: dict[tuple[Any, int | None], bytes] = {}  # by nested backend and its n_jobs
        # By id, with the function itself beside it so that the id stays its own.
        self._functions: dict[int, tuple[Reference, str, Callable[..., Any]]] = {}
        self._constant_id = buffers.constant
        self._constants = {module.object_id for module in context.shipped}
        if shared:
            self._pickler: SharingPickler = ObjectSharingPickler(shared, buffers, private)
        else:
            self._pickler = SharingPickler(buffers, private)

    def encode(self, batch: Any) -> EncodedTask:
        """Return ``batch`` as a task.

        Raises
        ------
        pickle.PicklingError
            It cannot be pickled.
        ChangedContentError
            An array that is not copied was changed after joblib had taken the task.
        MemoryError
            There is too little memory.
        """
        try:
            items, nesting = batch.items, nesting_of(batch)
        except AttributeError:
            items, nesting = items_of(batch), (self._context.nested_backend, self._context.nested_n_jobs)
        name = "?"
        try:
            trailer = self._trailers.get(nesting) or self._make_trailer(nesting)
            if items is None:  # not joblib's own batch: the callable is sent as it is
                name = type(batch).__name__
                task: Any = batch
            elif len(items) == 1:
                function, args, kwargs = items[0]
                reference, name = self._function_reference(function)
                task = (reference, args, kwargs)
            else:
                task = []
                for function, args, kwargs in items:
                    reference, name = self._function_reference(function)
                    task.append((reference, args, kwargs))
            head, buffers = self._pickler.dumps(task, trailer=trailer)
            needed = self._pickler.needed
            if type(task) is list and self._pickler.holds_by_value:
                alone, needed = self._pickled_alone(task)
                head, buffers = self._pickler.dumps(alone, trailer=trailer)
        except (MemoryError, ChangedContentError):
            raise
        except Exception as error:
            raise pickle.PicklingError(
                f'the function or an argument of task "{name}" cannot be pickled to send it to a worker: '
                f"{type(error).__name__}: {text_of(error)}"
            ) from error
        return name, head, buffers, tuple(self._constants.union(needed)) if needed or self._constants else ()

    def _pickled_alone(self, tasks: list[Any]) -> tuple[list[_Alone], set[int]]:
        alone, needed = [], set()
        for task in tasks:
            alone.append(_Alone(self._pickler.dumps(task, in_band=True)[0]))
            needed |= self._pickler.needed
        return alone, needed

    def _make_trailer(self, nesting: tuple[Any, int | None]) -> bytes:
        context = self._context._replace(nested_backend=nesting[0], nested_n_jobs=nesting[1])
        reference = self._constant(Pickler().dumps(context, in_band=True)[0])
        text = reference if type(reference) is bytes else _OBJECT_START + reference.to_bytes(8, "little")
        trailer = text + len(text).to_bytes(2, "little")
        self._trailers[nesting] = trailer
        return trailer

    def _function_reference(self, function: Callable[..., Any]) -> tuple[Reference, str]:
        known = self._functions.get(id(function))
        if known is not None:
            return known[0], known[1]
        name = name_of(function)
        if not is_constant(function):
            return self._wrapped(function) or function, name
        head, _ = self._pickler.dumps(function, in_band=True)
        self._constants |= self._pickler.needed
        reference = self._constant(head)
        if self._pickler.holds_by_value and not holds_nothing_mutable(function, self._pickler.makes_read_only):
            reference = _ForOneTask(reference)
        self._functions[id(function)] = (reference, name, function)
        return reference, name

    def _wrapped(self, function: Callable[..., Any]) -> _Wrapped | None:
        if is_partial(function):
            reference, _ = self._function_reference(function.func)
            return _Wrapped(functools.partial, reference, (), (function.args, function.keywords))
        state = state_of_wrapper(function)
        if state is None:
            return None
        reference, _ = self._function_reference(state.function)
        return _Wrapped(type(function), reference, state.copied, (state.functions, state.others))

    def _constant(self, pickled: bytes) -> Reference:
        if len(pickled) <= INLINE_BYTES:
            return pickled
        object_id = self._constant_id(pickled)
        if object_id is None:
            return pickled
        self._constants.add(object_id)
        return object_id


class TaskDecoder:
    """Decodes tasks in an executor and keeps the functions that tasks cannot change.

    Parameters
    ----------
    objects : Objects
        The objects and buffers that tasks refer to.
    enter : callable
        Enters a `TaskContext`; called when a task's context differs from that of the task before.
    next_item : callable
        Returns the index of the item of a batch that is to run next, or None if none is left.
    between : callable, optional
        Called after each task of a batch.
    """

    def __init__(
        self,
        objects: Objects,
        enter: Callable[[TaskContext], None],
        next_item: Callable[[], int | None],
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self._objects = objects
        self._enter = enter
        self._next_item = next_item
        self._between = between
        self._context: bytes | None = None
        self._functions = KeptFunctions()
        self._last_name = ""

    def function_name(self) -> str:
        """Return the name of the function that was called last."""
        return self._last_name

    def decode(self, head: Head, buffers: Sequence[Any]) -> Callable[[], list[Any]]:
        """Return a callable that runs the task, or the items of its batch that run here, and returns the results."""
        begin_task()
        end = trailer_end(head) - 2
        context = bytes(head[end - (head[end] | head[end + 1] << 8) : end])
        if context != self._context:
            self._context = None
            loaded = self._load_context(context)
            self._enter(loaded)
            self._functions.limit_bytes = loaded.kept_function_bytes
            self._context = context
        task = loads(head, buffers, self._objects)
        show_nested()
        kind = type(task)
        if kind is tuple:
            reference, args, kwargs = task
            function = self._function(reference)
            self._last_name = name_of(function)
            return lambda: [function(*args, **kwargs)]
        if kind is list:
            return lambda: self._run_batch(task)
        other: Callable[[], list[Any]] = task
        self._last_name = name_of(other)
        return other

    def forget_functions(self) -> None:
        """Drop all functions, because they may hold a shared object that rank 0 has dropped."""
        self._functions.clear()
        hide_from_main()

    def _run(self, item: Any) -> Any:
        if type(item) is _Alone:
            begin_task()
            item = loads(item.task, (), self._objects)
            show_nested()
        reference, args, kwargs = item
        function = self._function(reference)
        self._last_name = name_of(function)
        return function(*args, **kwargs)

    def _run_batch(self, items: list[Any]) -> list[Any]:
        results = []
        while (index := self._next_item()) is not None:
            results.append(self._run(items[index]))
            self._between()
        return results

    def _load_context(self, context: bytes) -> TaskContext:
        if not context.startswith(_PICKLE_START):
            context = bytes(self._objects.whole(int.from_bytes(context[1:], "little")))
        loaded: TaskContext = pickle.loads(context)
        return loaded

    def _function(self, reference: Reference) -> Callable[..., Any]:
        kind = type(reference)
        if kind is bytes or kind is int:
            return self._functions.find(reference) or self._keep(reference)
        if kind is _ForOneTask:
            return self._load(reference.function)
        other: Callable[..., Any] = self._unwrapped(reference) if kind is _Wrapped else reference
        return other

    def _load(self, reference: FunctionReference) -> Callable[..., Any]:
        function: Callable[..., Any] = loads(self._pickle_of(reference), (), self._objects)
        show_nested()
        return function

    def _pickle_of(self, reference: FunctionReference) -> Head:
        if isinstance(reference, bytes):
            return reference
        pickled: Head = self._objects.whole(reference)
        return pickled

    def _keep(self, reference: FunctionReference) -> Callable[..., Any]:
        pickled = self._pickle_of(reference)
        nbytes = private_bytes(pickled)
        self._functions.make_room(reference, nbytes)
        function: Callable[..., Any] = loads(pickled, (), self._objects)
        self._functions.keep(reference, function, nbytes)
        show_nested()
        return function

    def _unwrapped(self, wrapped: _Wrapped) -> Callable[..., Any]:
        function = self._function(wrapped.function)
        if wrapped.kind is functools.partial:
            args, keywords = wrapped.state
            return functools.partial(function, *args, **keywords)
        wrapper: Callable[..., Any] = object.__new__(wrapped.kind)  # as `state_of_wrapper` has checked
        functions, state = wrapped.state
        wrapper.__dict__.update({name: getattr(function, name) for name in wrapped.copied})
        wrapper.__dict__.update(dict.fromkeys(functions, function))
        wrapper.__dict__.update(state)
        return wrapper
