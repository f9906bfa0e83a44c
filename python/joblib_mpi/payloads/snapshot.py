"""Arguments of a task as they were when joblib took the task, to be pickled in their place."""

import io
import operator
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from joblib_mpi.payloads.callables import with_parts
from joblib_mpi.payloads.pickling import OUT_OF_BAND_BYTES


class Snapshot:
    """A pickle of arguments, with what stands beside it: arrays, memory maps and handles.

    A pickle of this object is loaded as the arguments: one, or a tuple of several.

    Parameters
    ----------
    head : bytes
        The pickle. Each of its buffers stands for one of ``parts``.
    parts : sequence of object
        The objects that are pickled as they are when the snapshot is.
    objects : sequence of object
        The scattered objects, to which the pickle refers by their positions here.
    private : set of int
        The addresses of the arrays in ``parts`` that tasks may write to.
    holds_by_value : bool
        Whether the pickle has functions or classes by value.
    sources : object
        Objects to keep alive: those whose snapshot this is.
    """

    __slots__ = ("__weakref__", "head", "holds_by_value", "objects", "parts", "private", "sources")

    def __init__(
        self,
        head: bytes,
        parts: Sequence[Any],
        objects: Sequence[Any] = (),
        private: frozenset[int] = frozenset(),
        holds_by_value: bool = False,
        sources: Any = None,
    ) -> None:
        self.head = head
        self.parts = parts
        self.objects = objects
        self.private = private
        self.holds_by_value = holds_by_value
        self.sources = sources

    def __reduce__(self) -> Any:
        # From 64 KB on without a copy, and shared like other large buffers.
        head = self.head if len(self.head) < OUT_OF_BAND_BYTES else pickle.PickleBuffer(self.head)
        return (load_snapshot, (head, self.parts, self.objects)) if self.objects else self._without_objects(head)

    def _without_objects(self, head: bytes | pickle.PickleBuffer) -> Any:
        return (load_snapshot, (head, self.parts)) if self.parts else (pickle.loads, (head,))

    def value(self) -> Any:
        """Return the arguments."""
        return load_snapshot(self.head, self.parts, self.objects)

    def equals(self, other: "Snapshot") -> bool:
        """Return whether the arguments of both are equal, and their parts identical."""
        return (
            self.head == other.head
            and _are_identical(self.parts, other.parts)
            and _are_identical(self.objects, other.objects)
        )


class SnapshotItem:
    """One of the arguments in a snapshot of several, or a function that is in one.

    Parameters
    ----------
    snapshot : Snapshot
        The snapshot.
    index : int or None
        The position of the argument; None if it is the only one.
    name : str
        The name of the function, for messages.
    """

    __slots__ = ("__name__", "index", "snapshot")

    def __init__(self, snapshot: Snapshot, index: int | None, name: str = "?") -> None:
        self.snapshot = snapshot
        self.index = index
        self.__name__ = name

    def __reduce__(self) -> Any:
        if self.index is None:
            return _itself, (self.snapshot,)
        return operator.getitem, (self.snapshot, self.index)


def load_snapshot(head: Any, parts: Sequence[Any], objects: Sequence[Any] = ()) -> Any:
    """Return the arguments that a `Snapshot` has."""
    if objects:
        return _Unpickler(head, parts, objects).load()
    return pickle.loads(head, buffers=parts)


def task_with_values(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Return a task with the arguments themselves in place of snapshots."""
    loaded: dict[int, Any] = {}

    def value_of(part: Any) -> Any:
        kind = type(part)
        if kind is not Snapshot and kind is not SnapshotItem:
            return part
        snapshot = part if kind is Snapshot else part.snapshot
        if id(snapshot) not in loaded:
            loaded[id(snapshot)] = snapshot.value()
        value = loaded[id(snapshot)]
        return value if kind is Snapshot or part.index is None else value[part.index]

    return (
        with_parts(function, value_of),
        tuple(map(value_of, args)),
        {name: value_of(value) for name, value in kwargs.items()},
    )


class _Unpickler(pickle.Unpickler):
    def __init__(self, head: Any, parts: Sequence[Any], objects: Sequence[Any]) -> None:
        super().__init__(io.BytesIO(head), buffers=parts)
        self._objects = objects

    def persistent_load(self, position: int) -> Any:
        return self._objects[position]


def _are_identical(some: Sequence[Any], others: Sequence[Any]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))


def _itself(value: Any) -> Any:
    return value
