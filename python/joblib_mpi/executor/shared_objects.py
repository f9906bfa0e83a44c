"""Shared objects on a worker, unpickled once, and buffers that tasks have in common.

The objects that tasks have used most recently are kept unpickled, so that an estimator or a data frame is not made anew
for each task.
"""

import sys
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from joblib_mpi import _core
from joblib_mpi.payloads.shared_pickling import Head, loads
from joblib_mpi.sharing.scatter_handle import resolve_with

#: Objects kept unpickled. What they have beside their buffers is the executor's own memory.
KEPT_OBJECTS = 256


class SharedObjects:
    """The shared objects that tasks of this worker have used, by object id. For one thread.

    Parameters
    ----------
    core : _core.WorkerSession or _core.ExecutorPort
        Holds their parts.

    Attributes
    ----------
    in_use : bool
        Whether any task has got one.
    """

    def __init__(self, core: _core.WorkerSession | _core.ExecutorPort) -> None:
        self._core = core
        self._objects: OrderedDict[int, Any] = OrderedDict()
        self.in_use = False
        resolve_with(self.resolve)

    def resolve(self, object_id: int, private: bool) -> Any:
        """Return the object; its arrays are read-only views of memory that the whole node shares.

        With ``private`` the object is the running task's alone, and its arrays show that memory until they are written
        to. So do the parts of a sparse matrix in either case: scikit-learn's KMeans family writes to them in place.
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
        value = self._load(object_id, False)
        if _is_sparse(value):
            value = self._load(object_id, True)
        self._objects[object_id] = value
        if len(self._objects) > KEPT_OBJECTS:
            self._objects.popitem(last=False)
        return value

    def buffer(self, object_id: int, part: int, offset: int, nbytes: int, private: bool) -> Any:
        """Return bytes of one of an object's parts; ``private`` ones may be written to."""
        self.in_use = True
        own = self._core.copy_on_write(object_id, part, offset, nbytes) if private else None
        if own is not None:
            return own
        view = memoryview(self._core.object(object_id)[1][part])[offset : offset + nbytes]
        return bytearray(view) if private else view

    def whole(self, object_id: int) -> Any:
        """Return the bytes of an object that is nothing else, such as a long pickle of a function."""
        return self._core.object(object_id)[1][0]

    def forget(self, object_ids: Iterable[int]) -> None:
        """Let go of objects that rank 0 has dropped, so that the core can free their memory."""
        for object_id in object_ids:
            self._objects.pop(object_id, None)

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
