"""Objects that rank 0 sends to every node once, in place of a copy with each task."""

import os
import weakref
from collections.abc import Sequence
from typing import Any

from joblib_mpi import _core
from joblib_mpi import session as sessions
from joblib_mpi.payloads.pickling import OUT_OF_BAND_BYTES, Pickler
from joblib_mpi.sharing.scatter_handle import SharedObject
from joblib_mpi.sharing.shared_buffers import Region, SharedBuffers


class ScatteredObjects:
    """The objects that one backend has scattered; freed on every node when the backend, its owner, is garbage."""

    def __init__(self) -> None:
        #: ``id(object)`` to object id.
        self.ids: dict[int, int] = {}
        #: Where their buffers are, with object id and part.
        self.regions: list[tuple[Region, int, int]] = []
        self._objects: list[Any] = []  # keeps every id and region its object's own

    def add(self, objects: Sequence[Any], shared: SharedBuffers) -> None:
        """Pickle and broadcast each of ``objects`` that is not scattered yet; returns before the data has arrived.

        Raises
        ------
        TypeError
            One cannot be pickled; the text has its index.
        MemoryError
            Shared objects may not take so much memory.
        """
        for index, value in enumerate(objects):
            if id(value) in self.ids:
                continue
            object_id, regions = _share(value, f"scatter[{index}]", shared)
            weakref.finalize(self, _drop, shared, object_id, os.getpid()).atexit = False
            self.ids[id(value)] = object_id
            self.regions.extend((region, object_id, part) for part, region in enumerate(regions))
            self._objects.append(value)


def scatter(value: Any) -> Any:
    """Send an object to every node once and return a handle to put into the arguments of tasks in its place.

    A task gets the object itself, wherever in its arguments the handle is: one copy for all executors of a node, whose
    arrays are read-only (with ``mmap_mode="c"`` each task's own to write to). The object leaves the nodes when the
    handle and the last task that names it are gone. Do not change it meanwhile.

    In a job with one rank, and inside a task, the object itself is returned: there is nobody to send it to.

    Raises
    ------
    SessionError
        The program has no MPI session.
    TypeError
        The object cannot be pickled.
    MemoryError
        Shared objects may not take so much memory; see JOBLIB_MPI_SHARED_LIMIT.
    """
    session = sessions.require()
    if session.is_worker or session.core.n_workers == 0:
        return value
    object_id, _ = _share(value, "the object", session.shared)
    handle = SharedObject(value, object_id)
    weakref.finalize(handle, _drop, session.shared, object_id, os.getpid()).atexit = False
    session.handles.add(handle)
    return handle


def stats() -> dict[str, int]:
    """Return what the nodes hold of shared objects, and how tasks have used them.

    Returns
    -------
    dict
        ``limit_bytes``: what they may take on each node. ``scattered_objects``, ``scattered_bytes``: of the program's
        own. ``automatic_objects``, ``automatic_bytes``: found in arguments of tasks. ``sent_with_a_task``,
        ``broadcast``, ``found_on_the_nodes``: how often such a buffer was met for the first time, the second time, and
        later. ``evicted``: how many had to go for others. ``segments``, ``segment_bytes``, ``spare_bytes``: memory that
        the processes of rank 0's node share, and what of it waits for the next object. ``objects``, ``object_bytes``,
        ``transfers``: what rank 0 itself has, and how many of these are under way.

    Raises
    ------
    SessionError
        The program has no MPI session, or this is a task.
    """
    session = sessions.require()
    if session.is_worker:
        raise _core.SessionError("joblib_mpi.stats() is for the program; inside a task there is nothing to see")
    return {**session.shared.stats(), **session.core.object_stats()}


def check_scatter(scatter: Any) -> Sequence[Any]:
    """Return ``scatter``; raises TypeError unless it is a list or tuple of objects."""
    if isinstance(scatter, list | tuple):
        return scatter
    raise TypeError(
        f"scatter must be a list of the objects to share, such as scatter=[X, y], but is a {type(scatter).__qualname__}"
    )


def _share(value: Any, what: str, shared: SharedBuffers) -> tuple[int, list[Region]]:
    what = f"{what} ({type(value).__qualname__})"
    try:
        head, parts = Pickler().dumps(value)
    except Exception as error:
        raise TypeError(f"{what} cannot be pickled: {type(error).__name__}: {error}") from error
    regions = [Region(part) for part in parts]
    if len(head) >= OUT_OF_BAND_BYTES:  # each rank has heads for itself, but parts are the node's
        return shared.scatter(b"", [*parts, head], what), regions
    return shared.scatter(head, parts, what), regions


def _drop(shared: SharedBuffers, object_id: int, owner_pid: int) -> None:
    if os.getpid() == owner_pid:  # a forked child has a copy of the owner, but no part in the session
        shared.drop(object_id)
