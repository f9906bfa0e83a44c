"""The large buffers of one call: broadcast if several tasks are known to have one, else the first brings it along."""

import itertools
import threading
from collections.abc import Callable
from typing import NamedTuple

from joblib_mpi import _core
from joblib_mpi.sharing.hashed_memory import ChangedContentError, HashedMemory
from joblib_mpi.sharing.regions import RegionIndex, ScatteredRegion, address_of
from joblib_mpi.sharing.shared_buffers import Content, SharedBuffers
from joblib_mpi.sharing.used_buffer import UsedBuffer

_call_numbers = itertools.count()


class Reference(NamedTuple):
    """The place of a buffer on the workers: object, part of the object, and offset in bytes."""

    object_id: int
    part: int
    offset: int


class CallBuffers:
    """The large buffers that the tasks of one call have used, found again by their addresses.

    A buffer counts as unchanged if all of its bytes are. They are compared each time that it is used, unless something
    else watches its memory.

    For one thread, except for `release`.

    Parameters
    ----------
    shared : SharedBuffers
        The contents that the session keeps on its nodes.
    threshold : float
        The size in bytes from which buffers are shared; infinite if none is.
    scattered : RegionIndex of ScatteredRegion, optional
        The memory of the objects that the program has scattered; it may grow.
    watched : callable, optional
        Returns the memory between two addresses if it is watched: if a change since that object was made ends the call.
    """

    def __init__(
        self,
        shared: SharedBuffers,
        threshold: float,
        scattered: RegionIndex[ScatteredRegion] | None = None,
        watched: Callable[[int, int], HashedMemory | None] = lambda begin, end: None,
    ) -> None:
        self.threshold = threshold
        self._watched = watched
        self.files = shared.files
        self._shared = shared
        self._number = next(_call_numbers)
        self._scattered = RegionIndex[ScatteredRegion]() if scattered is None else scattered
        self._used = RegionIndex[UsedBuffer]()
        self._contents: list[Content] = []
        self._lock = threading.Lock()
        self._over = self._is_doubtful = False

    def find(self, buffer: memoryview, at_once: bool = False) -> Reference | None:
        """Return the place of these bytes on the workers, or None if they are to be sent with the task.

        They are shared at their second use. With ``at_once``, or if they are watched and come again, they are at their
        first, unless there is no room for an object. Raises `ChangedContentError` if they are watched and were changed
        too early.
        """
        begin = address_of(buffer)
        end = begin + buffer.nbytes
        scattered = self._scattered.find(begin, end)
        if scattered is not None:
            return Reference(scattered.object_id, scattered.part, begin - scattered.begin)
        used, watched = self._used.find(begin, end), self._watched(begin, end)
        if used is not None and used.differs(begin, end, watched):
            self._used.remove(used)
            if used.content is not None:
                self._shared.hide(used.content)
            used = None
        whole = buffer
        if used is not None:
            whole = used.whole()
        else:
            used = UsedBuffer(buffer)
            if watched is not None and used.differs(begin, end, watched):
                raise ChangedContentError(buffer.nbytes)
            if used.is_alive():
                self._used.add(used)
        at_once |= watched is not None and watched.comes_again
        content = self._share(used, whole, at_once) if used.content is None else used.content
        return None if content is None else Reference(content.object_id, 0, begin - used.begin)

    def knows(self, begin: int, end: int) -> bool:
        """Return whether a buffer that was used before has the addresses from ``begin`` to ``end``."""
        return self._used.find(begin, end) is not None or self._scattered.find(begin, end) is not None

    def constant(self, pickled: bytes) -> int | None:
        """Return the id of the object that has these bytes, or None if there is no room or the call is over."""
        with self._lock:
            if self._over:
                return None
            content = self._shared.use(_core.content_hash(pickled), memoryview(pickled), self._number, at_once=True)
            if content is not None:
                self._contents.append(content)
        return None if content is None else content.object_id

    def doubt(self) -> None:
        """Let no later call use the contents, because the program may have changed one on its way."""
        with self._lock:
            self._is_doubtful = True

    def release(self) -> None:
        """Release all contents at the end of the call."""
        with self._lock:
            self._over = True
            contents, self._contents = self._contents, []
            is_doubtful = self._is_doubtful
        if is_doubtful:
            for content in contents:
                self._shared.hide(content)
        self._shared.release(contents)

    def _share(self, used: UsedBuffer, whole: memoryview, at_once: bool) -> Content | None:
        with self._lock:
            if self._over:
                return None
            used.content = self._shared.use(used.key, whole, self._number, used.owner(), at_once)
            if used.content is not None:
                self._contents.append(used.content)
            return used.content
