"""Arguments that the program changes between two tasks, as a generator does that fills one buffer for each of them.

joblib asks the program for several tasks before it hands the first to the backend, and the backend pickles it later. So
small buffers are copied as soon as a task is there; where a large array has changed by the time of the next one, the
call fails.
"""

import array
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from joblib_mpi import _core

#: Larger buffers are not copied but looked at again. To compare this many bytes takes 50 µs.
COPIED_BYTES = 1024 * 1024

#: The content of larger arrays is compared by hash.
_HASHED_BYTES = 4096

#: The elements of a large array that are compared, which takes 3 µs.
_SAMPLES = 251

#: The number of objects that are remembered: large arrays to look at again, and others so that many tasks with one
#: object also get one copy.
_REMEMBERED = 64

_ARRAYS = frozenset({np.ndarray, np.matrix, np.recarray})
#: The types of arguments that are looked at.
_MUTABLE = _ARRAYS | {bytearray, array.array, list, dict}

#: How deep lists and dictionaries are searched for others, and up to how many items.
_DEPTH = 2
_SEARCHED_ITEMS = 1000

Task = Any


class _Copied(NamedTuple):
    value: Any  # kept, so that its id stays its own
    content: Any
    copy: Any


class SentTasks(Protocol):
    """The tasks that the backend has got, of which an index is the position in the call."""

    def n_expected(self) -> int:
        """Return the number of these tasks."""

    def has_outstanding(self, indices: range) -> bool:
        """Return whether one of the tasks with these indices has no result yet."""


class _Take:
    """The tasks that joblib asks for at one time."""

    def __init__(self, begin: int) -> None:
        self.begin = self.end = begin


class _Large(NamedTuple):
    value: np.ndarray
    samples: bytes
    take: _Take


class RefilledBuffers:
    """Takes care of the arguments of one ``Parallel`` object's tasks, in the order in which the program makes them.

    Parameters
    ----------
    scattered : mapping of int to int
        The ids of scattered objects, as for `ObjectSharingPickler`; these are pickled already.
    copied_bytes : float
        Larger arrays are shared between tasks instead of copied.
    sent : SentTasks
        The tasks that the backend has got. Their arrays are looked at until they have results, because rank 0 sends
        them from where they are, again if a worker is lost.
    """

    def __init__(self, scattered: Mapping[int, int], copied_bytes: float, sent: SentTasks) -> None:
        self._scattered = scattered
        self._copied_bytes = min(copied_bytes, COPIED_BYTES)
        self._sent = sent
        self._take: _Take | None = None  # made when it is needed, which is seldom
        self._large: dict[int, _Large] = {}  # by id, the oldest first
        self._copies: dict[int, _Copied] = {}  # by id, the oldest first

    def begin(self) -> None:
        """Expect further tasks after those that the backend has."""
        if self._take is not None:
            self._take.end = self._sent.n_expected()
            self._take = None
        if self._large:
            self._large = {key: large for key, large in self._large.items() if self._is_under_way(large.take)}

    def of(self, tasks: Iterator[Task]) -> Iterator[Task]:
        """Yield ``tasks`` with copies of what may be filled again.

        Raises
        ------
        ValueError
            A large array of a task that has not been sent was changed while the next task was made.
        """
        for task in tasks:
            if self._large:
                self._check()
            if type(task) is tuple and len(task) == 3:
                function, args, kwargs = task
                for value in (*args, *kwargs.values()) if kwargs else args:
                    if type(value) in _MUTABLE:
                        kept = {name: self._kept(value) for name, value in kwargs.items()}
                        task = function, tuple(map(self._kept, args)), kept
                        break
            yield task

    def forget(self) -> None:
        """Let go of all objects, at the end of a call."""
        self._take = None
        self._large.clear()
        self._copies.clear()

    def _is_under_way(self, take: _Take) -> bool:
        return self._sent.has_outstanding(range(take.begin, take.end))

    def _kept(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        if kind not in _MUTABLE or id(value) in self._scattered:
            return value
        if kind in _ARRAYS:
            return self._kept_array(value)
        if kind is not list and kind is not dict:
            return self._copied(value, bytes(value), operator.eq, lambda: value[:])
        if depth == _DEPTH:
            return value
        items = value if kind is list else (*value, *value.values())
        if len(items) <= _SEARCHED_ITEMS:
            items = [self._kept(item, depth + 1) for item in items]
        half = len(value)
        return self._copied(
            value,
            tuple(items),
            _has_the_same_items,
            lambda: list(items) if kind is list else dict(zip(items[:half], items[half:], strict=True)),
        )

    def _kept_array(self, value: np.ndarray) -> np.ndarray:
        if not value.flags.writeable or value.dtype.hasobject or not _owns_its_memory(value):
            return value
        if value.nbytes >= self._copied_bytes:
            if self._take is None:
                # joblib asks for all tasks of a take before it hands over the first.
                self._take = _Take(self._sent.n_expected())
            self._large.pop(id(value), None)
            self._large[id(value)] = _Large(value, _samples(value), self._take)
            if len(self._large) > _REMEMBERED:
                del self._large[next(iter(self._large))]
            return value
        if value.nbytes <= _HASHED_BYTES:
            elements = value.tobytes()
        else:
            elements = _core.content_hash(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
        content = value.shape, value.strides, value.dtype, elements
        copied: np.ndarray = self._copied(value, content, operator.eq, lambda: value.copy(order="K"))
        return copied

    def _copied(self, value: Any, content: Any, equal: Callable[[Any, Any], bool], make_copy: Callable[[], Any]) -> Any:
        found = self._copies.pop(id(value), None)
        if found is None or not equal(found.content, content):
            found = _Copied(value, content, make_copy())
        self._copies[id(value)] = found
        if len(self._copies) > _REMEMBERED:
            del self._copies[next(iter(self._copies))]
        return found.copy

    def _check(self) -> None:
        for value, samples, _ in self._large.values():
            if _samples(value) != samples:
                self._large.clear()
                raise ValueError(
                    f"an array of {value.nbytes} bytes ({value.dtype}, shape {value.shape}) in the arguments of a "
                    "task was changed while the next task was made, before the first was sent: give each task an array "
                    "that stays as it is, such as array.copy()"
                )


def _samples(value: np.ndarray) -> bytes:
    return value.flat[:: max(1, value.size // _SAMPLES)].tobytes()


def _has_the_same_items(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    # Identical ones: to compare items may take long, and arrays have no truth value.
    return len(before) == len(now) and all(map(operator.is_, before, now))


def _owns_its_memory(value: Any) -> bool:
    # Memory maps and shared memory may be there for tasks to write to.
    while isinstance(value, np.ndarray):
        if type(value) is np.memmap:
            return False
        value = value.base
    return value is None or isinstance(value, bytearray | bytes)
