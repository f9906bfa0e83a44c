"""Shared objects in an executor, and the buffers that tasks share.

The objects that tasks have used most recently are kept unpickled, so that an estimator or a data frame is made once and
not for each task. Not those that have functions or classes of the script in them.
"""

import sys
from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from joblib_mpi import _core
from joblib_mpi.payloads import by_value
from joblib_mpi.payloads.shared_pickling import Head, loads
from joblib_mpi.sharing.scatter_handle import resolve_with

if TYPE_CHECKING:
    from joblib_mpi._mpi import WorkerSession

#: The number of objects kept unpickled. Apart from their buffers they take the executor's private memory.
KEPT_OBJECTS = 256


class SharedObjects:
    """The shared objects that tasks of this executor have used, by object id; for one thread only.

    Parameters
    ----------
    core : _mpi.WorkerSession or _core.ExecutorPort
        The compiled part, which has the bytes of the objects.

    Attributes
    ----------
    in_use : bool
        True once a task has got a shared object or buffer.
    """

    def __init__(self, core: "WorkerSession | _core.ExecutorPort") -> None:
        self._core = core
        self._objects: OrderedDict[int, Any] = OrderedDict()
        self.in_use = False
        resolve_with(self.resolve)

    def resolve(self, object_id: int, private: bool) -> Any:
        """Return an object whose arrays are read-only views of memory that the whole node shares.

        With ``private`` the running task alone gets the object, and its arrays are copied page by page as they are
        written to. The parts of a sparse matrix are in either case, because scikit-learn's KMeans family writes to them
        in place.
        """
        self.in_use = True
        if private:
            return self._load(object_id, private)
        try:
            value = self._objects[object_id]
        except KeyError:
            pass
        else:
            self._objects.move_to_end(object_id)
            return value
        n_loads_before = by_value.n_loads()
        value = self._load(object_id, False)
        if _is_sparse(value):
            value = self._load(object_id, True)
        if by_value.n_loads() > n_loads_before:
            return value  # the next task must not see what this one does to the script's functions and classes
        self._objects[object_id] = value
        if len(self._objects) > KEPT_OBJECTS:
            self._objects.popitem(last=False)
        return value

    def buffer(self, object_id: int, part: int, offset: int, nbytes: int, private: bool) -> Any:
        """Return bytes of one of an object's parts; the task may write to ``private`` ones."""
        self.in_use = True
        own = self._core.copy_on_write(object_id, part, offset, nbytes) if private else None
        if own is not None:
            return own
        view = memoryview(self._core.object(object_id)[1][part])[offset : offset + nbytes]
        return bytearray(view) if private else view

    def whole(self, object_id: int) -> Any:
        """Return the bytes of an object that consists of bytes only, such as a long pickle of a function."""
        return memoryview(self._core.object(object_id)[1][0])

    def forget(self, object_ids: Iterable[int]) -> None:
        """Drop objects that rank 0 has dropped, so that the core can free their memory."""
        for object_id in object_ids:
            self._objects.pop(object_id, None)

    def forget_all(self) -> None:
        """Drop all objects, because they may be of modules that have changed."""
        self._objects.clear()

    def _load(self, object_id: int, private: bool) -> Any:
        head: Head
        head, buffers = self._core.object(object_id)
        if not head:
            head = memoryview(buffers.pop())
        if private:
            buffers = [self.buffer(object_id, part, 0, len(buffer), True) for part, buffer in enumerate(buffers)]
        return loads(head, buffers, self)


def _is_sparse(value: Any) -> bool:
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(value))
