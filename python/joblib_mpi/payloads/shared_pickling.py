"""Pickles that refer to what the workers have, and how they are loaded there."""

import io
import math
import pickle
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from joblib_mpi.payloads.pickling import STOP, Pickler, is_contiguous
from joblib_mpi.sharing.scatter_handle import SharedObject, resolve_here
from joblib_mpi.sharing.shared_buffers import CallBuffers, flat_bytes

# In place of the last byte of a pickle, which `pickle.loads` does not read: what is needed to load it.
_OBJECTS = b"o"  # scattered objects
_BUFFERS = b"b"  # a table of shared buffers, which is before this byte
_BOTH = b"B"

#: An entry of the table: which of the buffers it is, whether it must be private, object id, part, offset, bytes.
_ENTRY = struct.Struct("<IIQQQQ")
_COUNT = struct.Struct("<H")

#: A pickle, with what may follow it.
Head = bytes | memoryview

#: Arrays whose bytes say all. Others, such as masked ones, pickle themselves.
_ARRAYS = {np.ndarray, np.memmap, np.recarray, np.matrix}

#: The arrays of scipy's sparse matrices.
_SPARSE_PARTS = ("data", "indices", "indptr", "row", "col", "offsets")


class SharingPickler(Pickler):
    """A pickler that leaves out what the workers have: large buffers, wherever they are, and handles' objects.

    Views of such a buffer are pickled as what they are a view of, even where numpy would copy them. On the worker,
    arrays of at least the threshold are read-only, however they got there, except for the parts of sparse matrices:
    scikit-learn's KMeans family writes to those in place.

    Parameters
    ----------
    buffers : CallBuffers
        Finds buffers, from its threshold on.
    private : bool
        Whether each task may write to all that it gets, as if it had a copy.
    """

    def __init__(self, buffers: CallBuffers, private: bool = False) -> None:
        super().__init__()
        self._shared_buffers = buffers
        self._threshold = buffers.threshold
        self._all_private = private
        self.needed: set[int] = set()
        self._table: list[bytes] = []
        self._private: set[int] = set()  # the addresses of sparse matrices' parts
        self._names_objects = False

    def reducer_override(self, value: Any) -> Any:
        """As `Pickler.reducer_override`, and for what is shared."""
        kind = type(value)
        if kind in _ARRAYS:
            return NotImplemented if value.nbytes < self._threshold else self._reduce_array(value)
        if kind is SharedObject:
            return resolve_here, (self._name_object(value.object_id()), self._all_private)
        if str(kind.__module__).startswith("scipy.sparse"):
            self._shares = True
            self._private.update(
                part.__array_interface__["data"][0]
                for name in _SPARSE_PARTS
                if type(part := getattr(value, name, None)) is np.ndarray
            )
        return super().reducer_override(value)

    def _name_object(self, object_id: int) -> int:
        self.needed.add(object_id)
        self._names_objects = self._shares = True
        return object_id

    def _is_private(self, address: int) -> bool:
        return self._all_private or address in self._private

    def _reduce_array(self, array: np.ndarray) -> Any:
        if array.dtype.hasobject or self._out_of_band_bytes == math.inf:
            return NotImplemented
        begin = array.__array_interface__["data"][0]
        if type(array) is np.ndarray and array.dtype.kind not in "mM" and is_contiguous(array):
            if self._is_private(begin) or not array.flags.writeable:
                return NotImplemented
            read_only = array.view()
            read_only.flags.writeable = False
            return read_only.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        # What numpy would copy into the stream.
        whole = array
        if not is_contiguous(array):
            while isinstance(whole.base, np.ndarray):
                whole = whole.base
            if not is_contiguous(whole):
                return NotImplemented
        flat = flat_bytes(whole)
        whole_begin = flat.__array_interface__["data"][0]
        is_worth_it = whole.nbytes <= 2 * array.nbytes or self._shared_buffers.knows(
            whole_begin, whole_begin + whole.nbytes
        )
        if not is_worth_it:
            return NotImplemented
        if not self._is_private(begin):
            flat.flags.writeable = False
        kind = np.ndarray if type(array) is np.memmap else type(array)  # the file may be on this node alone
        return _view_of, (kind, pickle.PickleBuffer(flat), array.shape, array.dtype, begin - whole_begin, array.strides)

    def _forget_shared(self) -> None:
        self.needed = set()
        self._table.clear()
        self._private.clear()
        self._names_objects = self._shares = False

    def _end(self) -> bytes:
        if not self._table:
            return _OBJECTS if self._names_objects else STOP
        return b"".join((*self._table, _COUNT.pack(len(self._table)), _BOTH if self._names_objects else _BUFFERS))

    def _keep_in_band(self, buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if self._threshold <= raw.nbytes and self._out_of_band_bytes <= raw.nbytes and len(self._table) < 2**16 - 1:
            reference = self._shared_buffers.find(raw)
            if reference is not None:
                self._shares = True
                position = len(self._buffers) + len(self._table)
                self._table.append(_ENTRY.pack(position, not raw.readonly, *reference, raw.nbytes))
                self.needed.add(reference.object_id)
                return False
        return super()._keep_in_band(buffer)


class ObjectSharingPickler(SharingPickler):
    """A `SharingPickler` that also writes the object id in place of each scattered object, wherever it finds one.

    Parameters
    ----------
    shared : mapping of int to int
        ``id(object)`` to object id. The owner keeps the objects alive.
    buffers, private
        As for `SharingPickler`.
    """

    # Apart, because it costs a call for each object that is pickled.

    def __init__(self, shared: Mapping[int, int], buffers: CallBuffers, private: bool = False) -> None:
        super().__init__(buffers, private)
        self._shared = shared

    def persistent_id(self, value: Any) -> tuple[int, bool] | None:
        """Return the object id of a scattered object, and whether the task may write to it."""
        object_id = self._shared.get(id(value))
        return None if object_id is None else (self._name_object(object_id), self._all_private)


def _view_of(
    kind: type, whole: Any, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int, strides: tuple[int, ...]
) -> np.ndarray:
    return np.ndarray(shape, dtype, whole, offset, strides).view(kind)


class Objects(Protocol):
    """What a pickle may refer to."""

    def resolve(self, object_id: int, private: bool) -> Any:
        """Return a scattered object, which the task may write to if it is ``private``."""

    def buffer(self, object_id: int, part: int, offset: int, nbytes: int, private: bool) -> Any:
        """Return bytes of one of its parts."""

    def whole(self, object_id: int) -> Any:
        """Return the bytes of an object that is nothing else."""


class _SharingUnpickler(pickle.Unpickler):
    def __init__(self, head: Head, buffers: Sequence[Any], objects: Objects) -> None:
        super().__init__(io.BytesIO(head), buffers=buffers)
        self._objects = objects

    def persistent_load(self, reference: tuple[int, bool]) -> Any:
        return self._objects.resolve(*reference)


def trailer_end(head: Head) -> int:
    """Return where in a pickle with a trailer the trailer ends."""
    if head[-1:] != STOP and head[-1:] != _OBJECTS:
        count: int = _COUNT.unpack_from(head, len(head) - 1 - _COUNT.size)[0]
        return len(head) - 1 - _COUNT.size - count * _ENTRY.size
    return len(head) - 1


def loads(head: Head, buffers: Sequence[Any], objects: Objects) -> Any:
    """Return the object that ``head`` and ``buffers`` were made from, with what is shared from ``objects``."""
    needs = head[-1:]
    if needs == STOP:
        return pickle.loads(head, buffers=buffers)
    if needs in (_BUFFERS, _BOTH):
        buffers = list(buffers)
        table = memoryview(head)[trailer_end(head) : -1 - _COUNT.size]
        for position, private, object_id, part, offset, nbytes in _ENTRY.iter_unpack(table):
            buffers.insert(position, objects.buffer(object_id, part, offset, nbytes, bool(private)))
        if needs == _BUFFERS:
            return pickle.loads(head, buffers=buffers)
    return _SharingUnpickler(head, buffers, objects).load()
