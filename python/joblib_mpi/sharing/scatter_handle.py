"""A handle of an object that every node has, in the program and in the arguments of tasks."""

import threading
from collections.abc import Callable
from typing import Any


class SharedObject:
    """What `joblib_mpi.scatter` returns: in the arguments of a task, the object itself arrives in its place.

    The object leaves the nodes when the handle and the last task that names it are gone. Made by `joblib_mpi.scatter`
    only.

    Attributes
    ----------
    value : object
        The object, here.
    """

    def __init__(self, value: Any, object_id: int) -> None:
        self.value = value
        self._object_id = object_id

    def object_id(self) -> int:
        """Return the core's name for it."""
        return self._object_id

    def __repr__(self) -> str:
        return f"<shared {type(self.value).__qualname__}>"

    def __reduce__(self) -> Any:
        raise TypeError(
            "a handle of joblib_mpi.scatter can be pickled only in the arguments of a task of the backend "
            '"mpi"; elsewhere pickle its value'
        )


_here = threading.local()


def resolve_with(resolve: Callable[[int, bool], Any]) -> None:
    """Let tasks of this thread find the objects that handles stand for."""
    _here.resolve = resolve


def resolve_here(object_id: int, private: bool) -> Any:
    """Return the object that a handle in a task's arguments stands for."""
    return _here.resolve(object_id, private)
