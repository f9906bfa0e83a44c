"""Pickles that refer to objects and buffers that the workers have, and how they are loaded there."""

import io
import math
import pickle
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from joblib_mpi.payloads.file_maps import (
    FileMaps,
    is_pickled_as_array,
    map_behind,
    reduce_without_file,
    refuse_copy_of_map,
)
from joblib_mpi.payloads.pickling import OUT_OF_BAND_BYTES, STOP, Pickler, is_contiguous
from joblib_mpi.payloads.snapshot import Snapshot
from joblib_mpi.sharing.call_buffers import CallBuffers
from joblib_mpi.sharing.regions import address_of_array, flat_bytes, owners_of, span_of
from joblib_mpi.sharing.scatter_handle import SharedObject, resolve_here

# `pickle.loads` does not read the last byte of a pickle. In its place stands what is needed to load the pickle.
_OBJECTS = b"o"  # scattered objects
_BUFFERS = b"b"  # shared buffers, whose table is before this byte
_BOTH = b"B"

#: An entry of the table: the buffer's position, whether it must be private, object id, part, offset and bytes.
_ENTRY = struct.Struct("<IIQQQQ")
_COUNT = struct.Struct("<H")

#: A pickle, with its trailer and table, if any.
Head = bytes | memoryview

#: Arrays that consist of nothing but their bytes. Others, such as masked arrays, pickle themselves.
PLAIN_ARRAYS = frozenset({np.ndarray, np.memmap, np.recarray, np.matrix})

#: The arrays of scipy's sparse matrices.
_SPARSE_PARTS = ("data", "indices", "indptr", "row", "col", "offsets")


class SharingPickler(Pickler):
    """A pickler that leaves out large buffers and scattered objects that the workers have, and refers to them instead.

    A view is pickled as a part of the array that it is a view of, even where numpy would copy it. On the worker, arrays
    of at least the threshold are read-only, except for the parts of sparse matrices, because scikit-learn's KMeans
    family writes to those in place. Memory maps of files stay memory maps where the worker has the file.

    Parameters
    ----------
    buffers : CallBuffers
        Finds the buffers that the workers have, from its threshold on.
    private : bool
        Whether each task may write to all arrays that it gets, as if it had copies.
    """

    def __init__(self, buffers: CallBuffers, private: bool = False) -> None:
        super().__init__()
        self._shared_buffers = buffers
        self._threshold = buffers.threshold
        self._maps = FileMaps(buffers.files)
        self._all_private = private
        self.needed: set[int] = set()
        self._table: list[bytes] = []
        self._private: set[int] = set()  # the addresses of sparse matrices' parts
        self._names_objects = False

    def reducer_override(self, value: Any) -> Any:
        """Refer to shared arrays and objects; else do as `Pickler.reducer_override`."""
        kind = type(value)
        if kind in PLAIN_ARRAYS:
            if value.base is not None and (mapped := self._reduce_map(value)) is not None:
                return mapped
            return NotImplemented if value.nbytes < self._threshold else self._reduce_array(value)
        if isinstance(value, np.ndarray):
            if not is_pickled_as_array(kind):
                refuse_copy_of_map(value)
            elif map_behind(value) is not None:
                return self._maps.reduce(value, False, reduce_without_file) or NotImplemented
        if kind is Snapshot:
            return self._reduce_snapshot(value)
        if kind is SharedObject:
            return resolve_here, (self._name_object(value.object_id()), self._all_private)
        if str(kind.__module__).startswith("scipy.sparse"):
            self._shares = True
            self._private.update(map(address_of_array, parts_of_sparse(value)))
        return super().reducer_override(value)

    def makes_read_only(self, array: np.ndarray) -> bool:
        """Return whether no task can write to this array, wherever its pickle has it."""
        return (
            array.nbytes >= self._threshold
            and not array.dtype.hasobject
            and array.dtype.kind not in "mM"
            and is_contiguous(array)
            and not self._is_private(array.__array_interface__["data"][0])
            and not (array.flags.writeable and map_behind(array) is not None)
        )

    def _reduce_snapshot(self, snapshot: Snapshot) -> Any:
        self.holds_by_value |= snapshot.holds_by_value
        if snapshot.private:
            self._shares = True
            self._private |= snapshot.private
        return snapshot.__reduce__()

    def _reduce_map(self, array: np.ndarray) -> Any:
        if map_behind(array) is None:
            return None
        return self._maps.reduce(array, address_of_array(array) in self._private, self._reduce_without_file)

    def _reduce_without_file(self, array: np.ndarray) -> Any:
        reduced = NotImplemented if array.nbytes < self._threshold else self._reduce_array(array)
        return reduce_without_file(array) if reduced is NotImplemented else reduced

    def _name_object(self, object_id: int) -> int:
        self.needed.add(object_id)
        self._names_objects = self._shares = True
        return object_id

    def _is_private(self, address: int) -> bool:
        return self._all_private or address in self._private

    def _reduce_array(self, array: np.ndarray) -> Any:
        if array.dtype.hasobject:
            return NotImplemented
        begin = array.__array_interface__["data"][0]
        if type(array) is np.ndarray and array.dtype.kind not in "mM" and is_contiguous(array):
            if self._is_private(begin) or not array.flags.writeable:
                return NotImplemented
            read_only = array.view()
            read_only.flags.writeable = False
            return read_only.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        # These arrays numpy would copy into the stream.
        flat = memory_of(array, self._shared_buffers.knows)
        if flat is None:
            return NotImplemented
        whole_begin = flat.__array_interface__["data"][0]
        if not self._is_private(begin):
            flat.flags.writeable = False
        kind = np.ndarray if type(array) is np.memmap else type(array)  # the file may be on this node only
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
        if raw.nbytes >= self._threshold and raw.nbytes >= OUT_OF_BAND_BYTES and len(self._table) < 2**16 - 1:
            reference = self._shared_buffers.find(raw, at_once=self._out_of_band_bytes == math.inf)
            if reference is not None:
                self._shares = True
                position = len(self._buffers) + len(self._table)
                self._table.append(_ENTRY.pack(position, not raw.readonly, *reference, raw.nbytes))
                self.needed.add(reference.object_id)
                return False
        return super()._keep_in_band(buffer)


def memory_of(array: np.ndarray, knows: Callable[[int, int], bool]) -> np.ndarray | None:
    """Return the contiguous bytes that are shared for an array, or None if numpy copies it.

    They are those of the array. Where these have gaps, they are all of the array that it is a view of, if that is not
    much larger or shared already.

    Parameters
    ----------
    array : numpy.ndarray
        The array, without objects.
    knows : callable
        Says whether a buffer that is shared has the bytes between two addresses.
    """
    if is_contiguous(array):
        return flat_bytes(array)
    whole = [value for value in owners_of(array) if isinstance(value, np.ndarray)][-1]
    if not is_contiguous(whole) or whole.dtype.hasobject:
        return None
    flat = flat_bytes(whole)
    begin = address_of_array(flat)
    first, end = span_of(array)
    if first < begin or end > begin + flat.nbytes:
        return None
    return flat if flat.nbytes <= 2 * array.nbytes or knows(begin, begin + flat.nbytes) else None


def parts_of_sparse(value: Any) -> list[np.ndarray]:
    """Return the arrays of a sparse matrix of scipy's; of other objects none."""
    if not str(type(value).__module__).startswith("scipy.sparse"):
        return []
    parts: list[Any] = [getattr(value, name, None) for name in _SPARSE_PARTS]
    return [part for part in parts if type(part) in PLAIN_ARRAYS]


class ObjectSharingPickler(SharingPickler):
    """A `SharingPickler` that also writes an object id in place of each scattered object that it meets.

    Parameters
    ----------
    shared : mapping of int to int
        The object ids of scattered objects by their ``id``. The owner keeps the objects alive.
    buffers : CallBuffers
        As for `SharingPickler`.
    private : bool
        As for `SharingPickler`.
    """

    # A separate class, because `persistent_id` costs a call for each object that is pickled.

    def __init__(self, shared: Mapping[int, int], buffers: CallBuffers, private: bool = False) -> None:
        super().__init__(buffers, private)
        self._shared = shared

    def persistent_id(self, value: Any) -> tuple[int, bool] | None:
        """Return the object id of a scattered object and whether the task may write to it, or None for others."""
        object_id = self._shared.get(id(value))
        return None if object_id is None else (self._name_object(object_id), self._all_private)


def _view_of(
    kind: type, whole: Any, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int, strides: tuple[int, ...]
) -> np.ndarray:
    return np.ndarray(shape, dtype, whole, offset, strides).view(kind)


class Objects(Protocol):
    """The objects and buffers of a worker, to which a pickle may refer."""

    def resolve(self, object_id: int, private: bool) -> Any:
        """Return a scattered object; the task may write to it if it is ``private``."""

    def buffer(self, object_id: int, part: int, offset: int, nbytes: int, private: bool) -> Any:
        """Return bytes of one of an object's parts."""

    def whole(self, object_id: int) -> Any:
        """Return the bytes of an object that consists of bytes only, such as a long pickle of a function."""


class _SharingUnpickler(pickle.Unpickler):
    def __init__(self, head: Head, buffers: Sequence[Any], objects: Objects) -> None:
        super().__init__(io.BytesIO(head), buffers=buffers)
        self._objects = objects

    def persistent_load(self, reference: tuple[int, bool]) -> Any:
        return self._objects.resolve(*reference)


def trailer_end(head: Head) -> int:
    """Return the offset at which the trailer of a pickle ends."""
    if head[-1:] != STOP and head[-1:] != _OBJECTS:
        count: int = _COUNT.unpack_from(head, len(head) - 1 - _COUNT.size)[0]
        return len(head) - 1 - _COUNT.size - count * _ENTRY.size
    return len(head) - 1


def private_bytes(head: Head) -> int:
    """Return the bytes of a pickle and of the shared buffers of which the object that is loaded gets copies."""
    nbytes = len(head)
    if head[-1:] in (_BUFFERS, _BOTH):
        nbytes += sum(entry[-1] for entry in _ENTRY.iter_unpack(_table_of(head)) if entry[1])
    return nbytes


def _table_of(head: Head) -> memoryview:
    return memoryview(head)[trailer_end(head) : -1 - _COUNT.size]


def loads(head: Head, buffers: Sequence[Any], objects: Objects) -> Any:
    """Return the object that was pickled as ``head`` and ``buffers``, with shared parts from ``objects``."""
    needs = head[-1:]
    if needs == STOP:
        return pickle.loads(head, buffers=buffers)
    if needs in (_BUFFERS, _BOTH):
        buffers = list(buffers)
        for position, private, object_id, part, offset, nbytes in _ENTRY.iter_unpack(_table_of(head)):
            buffers.insert(position, objects.buffer(object_id, part, offset, nbytes, bool(private)))
        if needs == _BUFFERS:
            return pickle.loads(head, buffers=buffers)
    return _SharingUnpickler(head, buffers, objects).load()
