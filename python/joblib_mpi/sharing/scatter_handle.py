"""The handle of a scattered object, for the program and for the arguments of tasks."""

import threading
from collections.abc import Callable
from typing import Any


class SharedObject:
    """The handle that `joblib_mpi.scatter` returns: a task that has it in its arguments gets the object in its place.

    The nodes free the object when the handle is garbage and the last task that has it is done. Only
    `joblib_mpi.scatter` makes handles.

    Parameters
    ----------
    value : object
        The object.
    object_id : int
        The id of the object in the core.

    Attributes
    ----------
    value : object
        The object in the program.
    """

    def __init__(self, value: Any, object_id: int) -> None:
        self.value = value
        self._object_id = object_id

    def object_id(self) -> int:
        """Return the id of the object in the core."""
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
    """Have `resolve_here` call ``resolve`` on this thread."""
    _here.resolve = resolve


def resolve_here(object_id: int, private: bool) -> Any:
    """Return the object whose handle is in the arguments of a task on this thread."""
    return _here.resolve(object_id, private)
