"""Arguments that the program changes between two tasks, as a generator does that fills one buffer for each of them.

joblib asks the program for several tasks before it hands the first to the backend, and the backend pickles it later. So
what a task can change is pickled as soon as a task is there, or copied; large arrays, which are not, are watched.
"""

import enum
import operator
import types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from joblib_mpi import _core
from joblib_mpi.calls.watched_arrays import Take, WatchedArrays
from joblib_mpi.payloads.callables import is_constant, name_of, parts_of, with_own_cells, with_parts
from joblib_mpi.payloads.file_maps import map_behind
from joblib_mpi.payloads.immutability import IMMUTABLE_TYPES
from joblib_mpi.payloads.importable import is_importable
from joblib_mpi.payloads.shared_pickling import PLAIN_ARRAYS, memory_of
from joblib_mpi.payloads.snapshot import Snapshot, SnapshotItem
from joblib_mpi.payloads.snapshot_pickling import ObjectSnapshotPickler, SnapshotPickler
from joblib_mpi.sharing.hashed_memory import ChangedContentError, HashedMemory
from joblib_mpi.sharing.regions import RegionIndex, ScatteredRegion, address_of_array
from joblib_mpi.sharing.scatter_handle import SharedObject

#: Larger arrays are not copied but watched. To hash this many bytes takes 64 µs.
COPIED_BYTES = 1024 * 1024

#: The elements of smaller arrays are in the pickle of what has them; larger ones are copied once for many tasks.
_PICKLED_BYTES = 4096

#: The number of arrays, and of other objects, of which something is remembered.
_REMEMBERED = 64

#: Tuples up to this length are searched for each task, in less than 1 µs.
_SHORT_TUPLE = 64

#: Types of arguments that no task gets changed, besides `IMMUTABLE_TYPES`.
_CONSTANT = frozenset({SharedObject, types.ModuleType, type, *IMMUTABLE_TYPES})

#: Base classes of further such types; structured scalars are none.
_CONSTANT_BASES = (np.generic, np.dtype, enum.Enum, type)

Task = Any


class _Copied(NamedTuple):
    value: weakref.ref[np.ndarray]
    content: Any
    copy: np.ndarray


class _Bound(NamedTuple):
    function: types.FunctionType  # kept, so that its id stays its own
    contents: list[Any]
    bound: types.FunctionType


class SentTasks(Protocol):
    """The tasks that the backend has got, of which an index is the position in the call."""

    def n_expected(self) -> int:
        """Return the number of these tasks."""

    def has_outstanding(self, indices: range) -> bool:
        """Return whether one of the tasks with these indices has no result yet."""

    def knows(self, begin: int, end: int) -> bool:
        """Return whether they have used a buffer that has the bytes between two addresses."""

    def doubt(self) -> None:
        """Let no later call use the large arrays that the workers have of them."""


class RefilledBuffers:
    """Takes care of the arguments of one ``Parallel`` object's tasks, in the order in which the program makes them.

    Parameters
    ----------
    scattered : mapping of int to int
        The ids of scattered objects, as for `ObjectSharingPickler`; these are pickled already.
    copied_bytes : float
        Larger arrays are shared between tasks instead of copied.
    sent : SentTasks
        The tasks that the backend has got. Their arrays are watched until they have results, because rank 0 sends them
        from where they are, again if a worker is lost.
    regions : RegionIndex of ScatteredRegion, optional
        The memory of scattered objects.
    keeps_identity : bool
        Whether an object that several arguments have is one object in `task_with_values`, also if it cannot change.
    """

    def __init__(
        self,
        scattered: Mapping[int, int],
        copied_bytes: float,
        sent: SentTasks,
        regions: RegionIndex[ScatteredRegion] | None = None,
        keeps_identity: bool = False,
    ) -> None:
        self._keeps_identity = keeps_identity
        self._scattered = scattered
        self._regions = RegionIndex[ScatteredRegion]() if regions is None else regions
        self._copied_bytes = min(copied_bytes, COPIED_BYTES)
        self._sent = sent
        self._take: Take | None = None  # made when it is needed, which is seldom
        self._watched = WatchedArrays(sent.has_outstanding)
        # By id, the oldest first.
        self._copies: dict[int, _Copied] = {}
        self._snapshots: weakref.WeakValueDictionary[Any, Snapshot] = weakref.WeakValueDictionary()
        self._pickler: SnapshotPickler | None = None
        self._constant_types: set[type] = set(_CONSTANT)
        self._long_tuples: dict[int, tuple[Any, ...]] = {}
        self._functions: dict[int, _Bound] = {}

    def begin(self) -> None:
        """Expect further tasks after those that the backend has."""
        if self._take is not None:
            self._take.end = self._sent.n_expected()
            self._take.is_open = False
            self._take = None
        if self._watched.by_place:
            self._watched.drop_done()

    def of(self, tasks: Iterator[Task], limit: int = 0) -> Iterator[Task]:
        """Yield ``tasks`` with snapshots of what may be changed for the next one.

        Parameters
        ----------
        tasks : iterator
            The tasks.
        limit : int
            The number of tasks after which ``tasks`` ends although the program may have more; 0 if there is none.

        Raises
        ------
        ChangedContentError
            A large array of a task that is not done was changed while the next task was made.
        """
        n_taken = 0
        watched, added, constant_types = self._watched.by_place, self._watched.added, self._constant_types
        all_constant = constant_types.issuperset
        try:
            for task in tasks:
                n_taken += 1
                if watched:
                    self._watched.look()
                if type(task) is tuple and len(task) == 3:
                    function, args, kwargs = task
                    # Here are the cases that most tasks consist of, because a call would cost as much as all of this.
                    kind = type(function)
                    if kind is types.FunctionType:
                        is_constant = function.__closure__ is None
                    else:
                        is_constant = kind is types.BuiltinFunctionType and type(function.__self__) is types.ModuleType
                    if is_constant:
                        for value in (*args, *kwargs.values()) if kwargs else args:
                            kind = type(value)
                            if kind in constant_types:
                                continue
                            if kind is types.FunctionType and value.__closure__ is None:
                                continue
                            if kind is tuple and len(value) <= _SHORT_TUPLE and all_constant(map(type, value)):
                                continue
                            if kind is types.BuiltinFunctionType and type(value.__self__) is types.ModuleType:
                                continue
                            is_constant = False
                            break
                    if not is_constant:
                        task = self._kept_task(function, args, kwargs)
                    if added:
                        function = args = kwargs = value = None  # only the task is to hold its arrays
                        self._watched.hash_added()
                yield task
            if watched and n_taken != limit:
                self._watched.look_at_all()
        except ChangedContentError:
            self._watched.clear()
            self._sent.doubt()
            raise

    def watched(self, begin: int, end: int) -> HashedMemory | None:
        """Return the memory between two addresses if a change of it ends the call; any thread may call this."""
        return self._watched.memory(begin, end)

    def unchanged(self, begin: int, end: int) -> object | None:
        """Return the same object as long as nothing changes between two addresses, or None if that is not known."""
        return self.watched(begin, end) or self._regions.find(begin, end)

    def forget(self) -> None:
        """Let go of all objects, at the end of a call."""
        self._take = None
        self._watched.clear()
        self._copies.clear()
        self._long_tuples.clear()
        self._functions.clear()

    def _kept_task(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Task:
        if type(function) is types.FunctionType:
            if function.__closure__ is not None:
                function = self._bound(function)
            values = (*args, *kwargs.values()) if kwargs else args
        else:
            values = (*parts_of(function), *args, *kwargs.values())
        types_of_constants, is_constant = self._constant_types, self._is_constant
        changeable = [value for value in values if type(value) not in types_of_constants and not is_constant(value)]
        if not changeable:
            return function, args, kwargs
        kept: dict[int, Any] = {}
        others: dict[int, Any] = {}
        for value in values if self._keeps_identity else changeable:
            array = self._kept_array(value) if type(value) in PLAIN_ARRAYS else None
            (others if array is None else kept)[id(value)] = value if array is None else array
        if all(type(value) in PLAIN_ARRAYS and not value.dtype.hasobject for value in others.values()):
            kept.update((key, self._copied(value)) for key, value in others.items())
        else:
            kept.update(self._in_snapshot(others, function))

        def kept_or_itself(value: Any) -> Any:
            return kept.get(id(value), value)

        return (
            with_parts(function, kept_or_itself),
            tuple(map(kept_or_itself, args)),
            {name: kept_or_itself(value) for name, value in kwargs.items()},
        )

    def _bound(self, function: Any) -> Any:
        # A function that a loop makes for each task has one variable in common with the others, the loop's.
        if function.__dict__:
            return function
        try:
            contents = [cell.cell_contents for cell in function.__closure__ or ()]
        except ValueError:  # a variable without a value
            return function
        known = self._functions.get(id(function))
        if known is not None and all(map(operator.is_, known.contents, contents)):
            return known.bound
        bound = function if is_importable(function) else with_own_cells(function, contents)
        _remember(self._functions, id(function), _Bound(function, contents, bound))
        return bound

    def _is_constant(self, value: Any) -> bool:
        kind = type(value)
        if kind is tuple:
            return self._is_constant_tuple(value)
        if kind is types.FunctionType:
            return value.__closure__ is None or is_importable(value)
        if kind in self._constant_types or id(value) in self._scattered:
            return True
        if isinstance(value, tuple | frozenset):
            return not hasattr(value, "__dict__") and self._is_constant_tuple(value)
        if issubclass(kind, _CONSTANT_BASES) and not issubclass(kind, np.void):
            self._constant_types.add(kind)
            return True
        return is_constant(value)

    def _is_constant_tuple(self, value: Any) -> bool:
        if len(value) > _SHORT_TUPLE and id(value) in self._long_tuples:
            return True
        if not self._constant_types.issuperset(map(type, value)) and not all(map(self._is_constant, value)):
            return False
        if len(value) > _SHORT_TUPLE:
            _remember(self._long_tuples, id(value), value)
        return True

    def _in_snapshot(self, values: dict[int, Any], function: Any) -> dict[int, Any]:
        """Return what takes the place of each of these values, which may have parts in common, by their ids."""
        if self._pickler is None:
            self._pickler = self._make_pickler()
        several = tuple(values.values())
        try:
            snapshot = self._pickler.snapshot(several if len(several) > 1 else several[0])
        except (MemoryError, ChangedContentError):
            raise
        except Exception:
            return {}  # the same error comes when the task is sent, as the task's
        key = tuple(values)
        known = self._snapshots.get(key)
        if known is not None and known.equals(snapshot):
            snapshot = known
        else:
            self._snapshots[key] = snapshot
        if len(several) == 1:
            is_function = several[0] is function
            return {key[0]: SnapshotItem(snapshot, None, name_of(function)) if is_function else snapshot}
        return {
            id(value): SnapshotItem(snapshot, index, name_of(function) if value is function else "?")
            for index, value in enumerate(several)
        }

    def _make_pickler(self) -> SnapshotPickler:
        if self._scattered:
            return ObjectSnapshotPickler(self._kept_array, self._copied_bytes, self._scattered)
        return SnapshotPickler(self._kept_array, self._copied_bytes)

    def _kept_array(self, value: np.ndarray) -> np.ndarray | None:
        """Return what a task gets in place of an array, or None if its elements are to be pickled."""
        if value.dtype.hasobject:
            return None
        if id(value) in self._scattered or (value.base is not None and map_behind(value) is not None):
            return value
        if value.nbytes >= self._copied_bytes and value.nbytes > 0:
            content = memory_of(value, self._knows)
            if content is not None:
                self._watch(value, content)
                return value
        return None if value.nbytes <= _PICKLED_BYTES else self._copied(value)

    def _knows(self, begin: int, end: int) -> bool:
        return self._regions.find(begin, end) is not None or self._sent.knows(begin, end)

    def _watch(self, value: np.ndarray, content: np.ndarray) -> None:
        begin = address_of_array(content)
        if self._regions.find(begin, begin + content.nbytes) is not None:
            return
        if self._take is None:
            # joblib asks for all tasks of a take before it hands over the first.
            self._take = Take(self._sent.n_expected())
        self._watched.add(value, content, self._take)

    def _copied(self, value: np.ndarray) -> np.ndarray:
        if value.nbytes <= _PICKLED_BYTES:
            elements = value.tobytes()
        else:
            elements = _core.content_hash(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
        content = value.shape, value.strides, value.dtype, elements
        known = self._copies.pop(id(value), None)
        if known is None or known.value() is not value or known.content != content:
            known = _Copied(weakref.ref(value), content, value.copy(order="K"))
        if value.nbytes <= COPIED_BYTES:
            _remember(self._copies, id(value), known)
        return known.copy


def _remember(some: dict[int, Any], key: int, value: Any) -> None:
    some[key] = value
    if len(some) > _REMEMBERED:
        del some[next(iter(some))]
