"""A pickler for snapshots of arguments, which leaves beside the pickle what tasks share with others or write to."""

import pickle
from collections.abc import Callable, Container
from typing import Any

import numpy as np

from joblib_mpi.payloads.file_maps import is_pickled_as_array, map_behind, refuse_copy_of_map
from joblib_mpi.payloads.pickling import Pickler
from joblib_mpi.payloads.shared_pickling import PLAIN_ARRAYS, parts_of_sparse
from joblib_mpi.payloads.snapshot import Snapshot
from joblib_mpi.sharing.regions import address_of_array
from joblib_mpi.sharing.scatter_handle import SharedObject


class SnapshotPickler(Pickler):
    """A pickler that makes snapshots; only one thread may use it.

    Parameters
    ----------
    keep : callable
        Returns what takes an array's place beside the pickle: a copy, or the array itself. None lets the pickle have
        the array's elements.
    copied_bytes : float
        The size up to which other large buffers are copied into the pickle, even if they are read-only.
    """

    def __init__(self, keep: Callable[[np.ndarray], np.ndarray | None], copied_bytes: float) -> None:
        super().__init__()
        self._keep = keep
        self._copied_bytes = copied_bytes
        self._part: Any = None  # the object that the next buffer stands for
        self._private: set[int] = set()
        self._objects: list[Any] = []

    def snapshot(self, value: Any) -> Snapshot:
        """Return a snapshot of ``value``; raises what the pickling raises."""
        self._part = None
        self._private, self._objects = set(), []
        head, parts = self.dumps(value)
        private = frozenset(self._private) if parts else frozenset()
        return Snapshot(head, tuple(parts), tuple(self._objects), private, self.holds_by_value, value)

    def reducer_override(self, value: Any) -> Any:
        """Leave out arrays that are kept, memory maps and handles; else do as `Pickler.reducer_override`."""
        kind = type(value)
        if kind in PLAIN_ARRAYS:
            kept = self._keep(value)
            return NotImplemented if kept is None else self._leave_out(kept)
        if kind is SharedObject:
            return self._leave_out(value)
        if isinstance(value, np.ndarray):
            if not is_pickled_as_array(kind):
                refuse_copy_of_map(value)
            elif map_behind(value) is not None:
                return self._leave_out(value)
        self._private.update(map(address_of_array, parts_of_sparse(value)))
        return super().reducer_override(value)

    def _leave_out(self, part: Any) -> Any:
        self._part = part
        return _itself, (pickle.PickleBuffer(bytearray(1)),)

    def _keep_in_band(self, buffer: pickle.PickleBuffer) -> bool:
        if self._part is not None:
            self._buffers.append(self._part)
            self._part = None
            return False
        raw = buffer.raw()
        if not raw.readonly or raw.nbytes < self._copied_bytes:
            return True
        self._buffers.append(pickle.PickleBuffer(raw))
        return False


class ObjectSnapshotPickler(SnapshotPickler):
    """A `SnapshotPickler` that also leaves out scattered objects.

    Parameters
    ----------
    keep : callable
        As for `SnapshotPickler`.
    copied_bytes : float
        As for `SnapshotPickler`.
    scattered : container of int
        The ids of scattered objects.
    """

    # A separate class, because `persistent_id` costs a call for each object that is pickled.

    def __init__(
        self, keep: Callable[[np.ndarray], np.ndarray | None], copied_bytes: float, scattered: Container[int]
    ) -> None:
        super().__init__(keep, copied_bytes)
        self._scattered = scattered

    def persistent_id(self, value: Any) -> int | None:
        """Return the position of a scattered object among the snapshot's, or None for others."""
        if id(value) not in self._scattered:
            return None
        self._objects.append(value)
        return len(self._objects) - 1


def _itself(part: Any) -> Any:
    # `pickle.loads` gives for a buffer that is not read-only any object that it is given.
    return part
