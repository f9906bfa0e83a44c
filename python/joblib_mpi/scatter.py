"""Objects that rank 0 sends to every worker once, in place of a copy with each task."""

import os
import weakref
from collections.abc import Sequence
from typing import Any

from joblib_mpi import _core
from joblib_mpi.pickling import Pickler


class ScatteredObjects:
    """The objects that one backend has scattered; freed on every rank when the backend, its owner, is garbage."""

    def __init__(self) -> None:
        #: ``id(object)`` to object id.
        self.ids: dict[int, int] = {}
        self._objects: list[Any] = []  # keeps every id its object's own

    def add(self, objects: Sequence[Any], core: _core.Session) -> None:
        """Pickle and broadcast each of ``objects`` that is not scattered yet; returns before the data has arrived."""
        for index, value in enumerate(objects):
            if id(value) in self.ids:
                continue
            try:
                head, buffers = Pickler().dumps(value)
            except Exception as error:
                raise TypeError(
                    f"scatter[{index}] ({type(value).__qualname__}) cannot be pickled: {type(error).__name__}: {error}"
                ) from error
            object_id = core.scatter(head, buffers)
            weakref.finalize(self, _drop, core, object_id, os.getpid()).atexit = False
            self.ids[id(value)] = object_id
            self._objects.append(value)


def _drop(core: _core.Session, object_id: int, owner_pid: int) -> None:
    if os.getpid() == owner_pid:  # a forked child has a copy of the backend, but no part in the session
        core.drop(object_id)


def check_scatter(scatter: Any) -> Sequence[Any]:
    """Return ``scatter``; raises TypeError unless it is a list or tuple of objects."""
    if isinstance(scatter, list | tuple):
        return scatter
    raise TypeError(
        f"scatter must be a list of the objects to share, such as scatter=[X, y], but is a {type(scatter).__qualname__}"
    )
