"""`joblib_mpi.scatter` and `joblib_mpi.stats`: objects that are sent to every node once, not with each task."""

import os
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from joblib_mpi import _core, joining
from joblib_mpi.payloads.exception_access import text_of
from joblib_mpi.payloads.file_maps import (
    FileMaps,
    WholeMap,
    is_pickled_as_array,
    map_behind,
    reduce_without_file,
    refuse_copy_of_map,
)
from joblib_mpi.payloads.pickling import OUT_OF_BAND_BYTES, Pickler
from joblib_mpi.payloads.shared_pickling import parts_of_sparse
from joblib_mpi.sharing.mapped_files import MappedFiles
from joblib_mpi.sharing.regions import RegionIndex, ScatteredRegion, address_of_array
from joblib_mpi.sharing.scatter_handle import SharedObject
from joblib_mpi.sharing.shared_buffers import SharedBuffers


class _ScatterPickler(Pickler):
    """A pickler for scattered objects, in which memory maps of files stay such."""

    def __init__(self, files: MappedFiles) -> None:
        super().__init__()
        self._maps = FileMaps(files)
        self._private: set[int] = set()  # the addresses of sparse matrices' parts, to which tasks may write

    def reducer_override(self, value: Any) -> Any:
        self._private.update(map(address_of_array, parts_of_sparse(value)))
        if isinstance(value, np.ndarray):
            if not is_pickled_as_array(type(value)):
                refuse_copy_of_map(value)
            elif (whole := map_behind(value)) is not None:
                return self._reduce_map(value, whole)
        return super().reducer_override(value)

    def _reduce_map(self, value: np.ndarray, whole: WholeMap) -> Any:
        reduced = None
        if whole.mode != "c" or not value.flags.writeable:  # tasks would see what others have written to the one copy
            reduced = self._maps.reduce(value, address_of_array(value) in self._private, reduce_without_file)
        return reduce_without_file(value) if reduced is None else reduced


class ScatteredObjects:
    """The objects that one backend has scattered. Every node frees them once the backend, their owner, is garbage."""

    def __init__(self) -> None:
        #: The object ids by the ``id`` of the objects.
        self.ids: dict[int, int] = {}
        #: The memory of their buffers.
        self.regions = RegionIndex[ScatteredRegion]()
        self._objects: list[Any] = []  # kept alive, so that no other object gets their ids and memory
        self._shared: SharedBuffers | None = None

    def in_session(self, shared: SharedBuffers) -> "ScatteredObjects":
        """Return these objects as scattered in the session of ``shared``: again if that of before is gone."""
        if self._shared is None or self._shared is shared:
            return self
        again = ScatteredObjects()
        again.add(self._objects, shared)
        return again

    def add(self, objects: Sequence[Any], shared: SharedBuffers) -> None:
        """Pickle and broadcast each of ``objects`` that is not scattered yet; return before the data has arrived.

        Raises
        ------
        TypeError
            An object cannot be pickled; the text has its position in ``objects``.
        MemoryError
            Shared objects would take more memory than they may.
        """
        self._shared = shared
        for index, value in enumerate(objects):
            if id(value) in self.ids:
                continue
            object_id, buffers = _share(value, f"scatter[{index}]", shared)
            weakref.finalize(self, _drop, shared, object_id, os.getpid()).atexit = False
            self.ids[id(value)] = object_id
            for part, buffer in enumerate(buffers):
                region = ScatteredRegion(buffer, object_id, part)
                if self.regions.find(region.begin, region.end) is None:
                    self.regions.add(region)
            self._objects.append(value)


def scatter(value: Any) -> Any:
    """Send an object to every node once and return a handle to pass to tasks in its place.

    A task with the handle in its arguments, at any depth, gets the object there: one copy for all executors of a node,
    with read-only arrays (with ``mmap_mode="c"`` each task may write to them as to copies). The nodes free the object
    when the handle is garbage and the last task that has it is done. Do not change the object before that.

    Parameters
    ----------
    value : object
        Any object that can be pickled.

    Returns
    -------
    joblib_mpi.sharing.scatter_handle.SharedObject
        The handle; its attribute ``value`` is the object. In a job with one rank, and inside a task, the object itself
        is returned, because there is no other rank to send it to.

    Raises
    ------
    SessionError
        The program has no MPI session.
    TypeError
        The object cannot be pickled.
    MemoryError
        Shared objects would take more memory than they may; see JOBLIB_MPI_SHARED_LIMIT.
    """
    session = joining.require()
    if session.is_worker or session.core.n_workers == 0:
        return value
    object_id, _ = _share(value, "the object", session.shared)
    handle = SharedObject(value, object_id)
    weakref.finalize(handle, _drop, session.shared, object_id, os.getpid()).atexit = False
    session.handles.add(handle)
    return handle


def stats() -> dict[str, int]:
    """Return counts and sizes of the shared objects on the nodes, and how tasks have used them.

    Returns
    -------
    dict of str to int
        - ``limit_bytes``: the bytes that shared objects may take on each node.
        - ``scattered_objects``, ``scattered_bytes``: the objects that the program has scattered.
        - ``automatic_objects``, ``automatic_bytes``: the objects made of large arrays in the arguments of tasks.
        - ``sent_with_a_task``, ``broadcast``, ``found_on_the_nodes``: how often such an array was met for the first
          time, for the second time, and later.
        - ``evicted``: how many such objects were freed to make room for others.
        - ``segments``, ``segment_bytes``, ``spare_bytes``: the memory that the processes of rank 0's node share, and
          the part of it that is free for further objects.
        - ``objects``, ``object_bytes``, ``transfers``: the objects that rank 0 has, and how many of them are being
          broadcast.
        - ``unfinished_tasks``: the tasks of all calls that are not complete, and those of ended calls that still run.

    Raises
    ------
    SessionError
        The program has no MPI session, or this is a task.
    """
    session = joining.require()
    if session.is_worker:
        raise _core.SessionError("joblib_mpi.stats() works in the program on rank 0, not inside a task")
    unfinished_tasks = session.core.unfinished_tasks()
    return {**session.shared.stats(), **session.core.object_stats(), "unfinished_tasks": unfinished_tasks}


def check_scatter(scatter: Any) -> Sequence[Any]:
    """Return ``scatter``; raises TypeError unless it is a list or tuple of objects."""
    if isinstance(scatter, list | tuple):
        return scatter
    raise TypeError(
        f"scatter must be a list of the objects to share, such as scatter=[X, y], not a {type(scatter).__qualname__}"
    )


def _share(value: Any, what: str, shared: SharedBuffers) -> tuple[int, Sequence[memoryview]]:
    what = f"{what} ({type(value).__qualname__})"
    try:
        head, parts = _ScatterPickler(shared.files).dumps(value)
    except Exception as error:
        raise TypeError(f"{what} cannot be pickled: {type(error).__name__}: {text_of(error)}") from error
    if len(head) >= OUT_OF_BAND_BYTES:  # each rank has a copy of the head, but one copy of a part serves the node
        return shared.scatter(b"", [*parts, head], what), parts
    return shared.scatter(head, parts, what), parts


def _drop(shared: SharedBuffers, object_id: int, owner_pid: int) -> None:
    if os.getpid() == owner_pid:  # a forked child process has a copy of the owner, but no session
        shared.drop(object_id)
