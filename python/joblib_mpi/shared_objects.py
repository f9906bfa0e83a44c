"""Scattered objects on a worker: unpickled once, whatever number of tasks uses them."""

import sys
from collections.abc import Iterable
from typing import Any

from joblib_mpi import _core
from joblib_mpi.pickling import loads


class SharedObjects:
    """The scattered objects that tasks of this worker have used, by object id.

    Parameters
    ----------
    core : _core.Session
        Holds their parts.
    """

    def __init__(self, core: _core.Session) -> None:
        self._core = core
        self._objects: dict[int, Any] = {}

    @property
    def in_use(self) -> bool:
        """Whether any task has used a scattered object that still exists."""
        return bool(self._objects)

    def resolve(self, object_id: int) -> Any:
        """Return the object; its arrays are read-only views of memory that the whole node shares."""
        try:
            return self._objects[object_id]
        except KeyError:
            pass
        head, buffers = self._core.object(object_id)
        value = loads(head, buffers, self.resolve)
        if _is_sparse(value):
            # scikit-learn's KMeans family writes to CSR parts in place; no estimator does so with a dense array.
            value = loads(head, [bytearray(buffer) for buffer in buffers], self.resolve)
        self._objects[object_id] = value
        return value

    def forget(self, object_ids: Iterable[int]) -> None:
        """Let go of objects that rank 0 has dropped, so that the core can free their memory."""
        for object_id in object_ids:
            self._objects.pop(object_id, None)


def _is_sparse(value: Any) -> bool:
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(value))
