"""Large buffers that tasks have in common: sent with the first task that needs one, and broadcast at the second."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from joblib_mpi import _core

#: Buffers up to this size are compared as a whole each time that they are used again within a call. Chosen, not
#: measured: some tenths of a millisecond.
WHOLE_COMPARISON_BYTES = 4 * 2**20

#: Of longer ones, this many places of this many bytes.
_SAMPLES = 64
_SAMPLE_BYTES = 64

#: Contents remembered as sent once. Each costs some 100 bytes.
_REMEMBERED_CONTENTS = 4096


class Reference(NamedTuple):
    """Where on the workers a buffer lies: in which part of which object, from which byte."""

    object_id: int
    part: int
    offset: int


class Region:
    """The memory of a buffer on rank 0.

    Parameters
    ----------
    buffer : memoryview
        Contiguous bytes.
    """

    def __init__(self, buffer: memoryview) -> None:
        self.begin = address_of(buffer)
        self.end = self.begin + buffer.nbytes

    def holds(self, begin: int, end: int) -> bool:
        """Return whether the addresses from ``begin`` to ``end`` belong to it."""
        return self.begin <= begin and end <= self.end


def address_of(buffer: memoryview) -> int:
    """Return where in memory the bytes of a contiguous buffer begin."""
    address: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return address


def flat_bytes(array: np.ndarray) -> np.ndarray:
    """Return the bytes of a contiguous array of any kind as they lie in memory."""
    return np.asarray(array).reshape(-1, order="A").view(np.uint8)


class SharedBuffers:
    """The contents that one session keeps on its nodes for tasks of later calls, and the limit for all shared objects.

    Contents that no running call uses make room for others, those used least recently first. What the program itself
    has scattered stays as long as it wants. May be used from several threads.

    Parameters
    ----------
    core : _core.CoordinatorSession
        Rank 0's session.
    limit : int
        Bytes on each node.
    limits_scattered : bool
        Whether what the program itself scatters must not exceed the limit either.
    """

    def __init__(self, core: _core.CoordinatorSession, limit: int, limits_scattered: bool = True) -> None:
        self._core = core
        self.limit = limit
        self._limits_scattered = limits_scattered
        self._lock = threading.Lock()
        self._contents: OrderedDict[bytes, Content] = OrderedDict()  # the least recently used first
        self._sent_once: OrderedDict[bytes, None] = OrderedDict()
        self._scattered_bytes: dict[int, int] = {}
        self._automatic_bytes = 0
        self._n_sent_once = self._n_promoted = self._n_found = self._n_evicted = 0

    def use(self, content: bytes, buffer: memoryview, at_once: bool = False) -> "Content | None":
        """Return the object that has these bytes, to be given back by `release`, or None if they go with the task.

        They do the first time, unless ``at_once``, and if there is no room for them. The second time they become an
        object.
        """
        with self._lock:
            known = self._contents.get(content)
            if known is not None:
                self._n_found += 1
            elif (at_once or content in self._sent_once) and self._make_room(buffer.nbytes):
                self._sent_once.pop(content, None)
                known = self._contents[content] = Content(content, self._core.scatter(b"", (buffer,)), buffer.nbytes)
                self._automatic_bytes += buffer.nbytes
                self._n_promoted += 1
            else:
                self._sent_once[content] = None
                if len(self._sent_once) > _REMEMBERED_CONTENTS:
                    self._sent_once.popitem(last=False)
                self._n_sent_once += 1
                return None
            known.n_users += 1
            self._contents.move_to_end(content)
            return known

    def release(self, contents: Sequence["Content"]) -> None:
        """Note that a call that has used these is over.

        From now on the program may change the bytes. If some are still on their way, nobody is to find them again.
        """
        if not contents:
            return
        under_way = self._core.object_stats()["transfers"] > 0
        with self._lock:
            for content in contents:
                if under_way:
                    self._hide(content)
                content.n_users -= 1
                if content.n_users == 0 and content.is_hidden:
                    self._free(content)

    def hide(self, content: "Content") -> None:
        """Let nobody find them again: the program has changed the bytes."""
        with self._lock:
            self._hide(content)

    def scatter(self, head: bytes, buffers: Any, what: str) -> int:
        """Share an object of the program's own; raises MemoryError, which names ``what``, if there is no room."""
        needed = len(head) + sum(memoryview(buffer).nbytes for buffer in buffers)
        with self._lock:
            if not self._make_room(needed) and self._limits_scattered:
                raise MemoryError(
                    f"{what} needs {needed} bytes on each node, but of the {self.limit} bytes that shared objects may "
                    f"take {self._held_bytes()} are in use; free others, or raise JOBLIB_MPI_SHARED_LIMIT"
                )
            object_id = self._core.scatter(head, buffers)
            self._scattered_bytes[object_id] = needed
            return object_id

    def drop(self, object_id: int) -> None:
        """Free an object of the program's own on all nodes."""
        with self._lock:
            del self._scattered_bytes[object_id]
        self._core.drop(object_id)

    def stats(self) -> dict[str, int]:
        """Return what is held and what has happened; see `joblib_mpi.stats`."""
        with self._lock:
            return {
                "limit_bytes": self.limit,
                "scattered_objects": len(self._scattered_bytes),
                "scattered_bytes": sum(self._scattered_bytes.values()),
                "automatic_objects": len(self._contents),
                "automatic_bytes": self._automatic_bytes,
                "sent_with_a_task": self._n_sent_once,
                "broadcast": self._n_promoted,
                "found_on_the_nodes": self._n_found,
                "evicted": self._n_evicted,
            }

    def _held_bytes(self) -> int:
        return self._automatic_bytes + sum(self._scattered_bytes.values())

    def _make_room(self, needed: int) -> bool:
        excess = self._held_bytes() + needed - self.limit
        unused = [content for content in self._contents.values() if content.n_users == 0]
        if excess > sum(content.nbytes for content in unused):
            return False  # so nothing needs to go
        for content in unused:
            if excess <= 0:
                break
            excess -= content.nbytes
            self._n_evicted += 1
            self._hide(content)
            self._free(content)
        return True

    def _hide(self, content: "Content") -> None:
        if not content.is_hidden:
            content.is_hidden = True
            del self._contents[content.key]

    def _free(self, content: "Content") -> None:
        self._automatic_bytes -= content.nbytes
        self._core.drop(content.object_id)


class Content:
    """Bytes that the nodes have as an object. Made and changed by `SharedBuffers`.

    Parameters
    ----------
    key : bytes
        Their hash.
    object_id, nbytes : int
        The object, and its size.
    """

    def __init__(self, key: bytes, object_id: int, nbytes: int) -> None:
        self.key = key
        self.object_id = object_id
        self.nbytes = nbytes
        self.n_users = 0
        self.is_hidden = False


class CallBuffers:
    """The large buffers that the tasks of one call have used, found again by where they are.

    A buffer is taken for the same as long as its bytes are: all of them up to `WHOLE_COMPARISON_BYTES`, of longer ones
    64 samples. So what the program writes to such a longer array between two tasks of one call may be missed; between
    two calls nothing is.

    Used by one thread, except for `release`.

    Parameters
    ----------
    shared : SharedBuffers
        The session's.
    threshold : float
        Bytes from which on a buffer counts; infinite if none does.
    scattered : iterable of (Region, int, int)
        The memory of objects that the program has scattered, with object id and part; it may grow.
    """

    def __init__(
        self, shared: SharedBuffers, threshold: float, scattered: Iterable[tuple[Region, int, int]] = ()
    ) -> None:
        self.threshold = threshold
        self._shared = shared
        self._scattered = scattered
        self._used: dict[tuple[int, int], _UsedBuffer] = {}
        self._contents: list[Content] = []
        self._lock = threading.Lock()
        self._over = False

    def find(self, buffer: memoryview) -> Reference | None:
        """Return where the workers have these bytes, or None if they have to go with the task."""
        begin = address_of(buffer)
        end = begin + buffer.nbytes
        for region, object_id, part in self._scattered:
            if region.holds(begin, end):
                return Reference(object_id, part, begin - region.begin)
        used = self._holder(begin, end)
        if used is not None and used.has_changed():
            del self._used[used.begin, used.end]
            if used.content is not None:
                self._shared.hide(used.content)
            used = None
        whole = buffer
        if used is not None:
            whole = used.whole()
        else:
            used = _UsedBuffer(buffer)
            if used.is_alive():
                self._used[begin, end] = used
        content = self._share(used, whole) if used.content is None else used.content
        return None if content is None else Reference(content.object_id, 0, begin - used.begin)

    def knows(self, begin: int, end: int) -> bool:
        """Return whether a buffer was found to hold the addresses from ``begin`` to ``end``."""
        return self._holder(begin, end) is not None or any(region.holds(begin, end) for region, _, _ in self._scattered)

    def constant(self, pickled: bytes) -> int | None:
        """Return the object that has these bytes; None if there is no room for one, or the call is over."""
        with self._lock:
            if self._over:
                return None
            content = self._shared.use(_core.content_hash(pickled), memoryview(pickled), at_once=True)
            if content is not None:
                self._contents.append(content)
        return None if content is None else content.object_id

    def release(self) -> None:
        """Give everything back: the call is over."""
        with self._lock:
            self._over = True
            contents, self._contents = self._contents, []
        self._shared.release(contents)

    def _holder(self, begin: int, end: int) -> "_UsedBuffer | None":
        used = self._used.get((begin, end))
        if used is not None and used.is_alive():
            return used
        for place, other in list(self._used.items()):
            if not other.is_alive():  # its memory may be another array's by now
                del self._used[place]
            elif other.holds(begin, end):
                return other
        return None

    def _share(self, used: "_UsedBuffer", whole: memoryview) -> Content | None:
        with self._lock:
            if self._over:
                return None
            used.content = self._shared.use(used.key, whole)
            if used.content is not None:
                self._contents.append(used.content)
            return used.content


class _UsedBuffer(Region):
    """Keeps no array alive: with a generator of arrays, a call would fill rank 0's memory."""

    def __init__(self, buffer: memoryview) -> None:
        super().__init__(buffer)
        self.key = _core.content_hash(buffer)
        self.content: Content | None = None
        owner = _owner_of(buffer)
        self._owner = None if owner is None else weakref.ref(owner)
        self._sample = _sample_of(np.frombuffer(buffer, np.uint8))

    def is_alive(self) -> bool:
        """Return whether its memory is still what it was; if that cannot be known, False."""
        return self._owner is not None and self._owner() is not None

    def whole(self) -> memoryview:
        """Return its bytes as they are now. It must be alive."""
        owner = None if self._owner is None else self._owner()
        assert owner is not None
        memory = flat_bytes(owner)
        offset = self.begin - memory.__array_interface__["data"][0]
        return memoryview(memory)[offset : offset + self.end - self.begin]

    def has_changed(self) -> bool:
        """Return whether the program has written to it. It must be alive."""
        now = self.whole()
        if now.nbytes <= WHOLE_COMPARISON_BYTES:
            return _core.content_hash(now) != self.key
        return _sample_of(np.frombuffer(now, np.uint8)) != self._sample


def _owner_of(buffer: memoryview) -> np.ndarray | None:
    # Views are often made for one task; the array that they are views of stays.
    owner: Any = buffer.obj
    while isinstance(getattr(owner, "base", None), np.ndarray):
        owner = owner.base
    is_flat = isinstance(owner, np.ndarray) and (owner.flags.c_contiguous or owner.flags.f_contiguous)
    return owner if is_flat else None


def _sample_of(everything: np.ndarray) -> bytes:
    if everything.size <= WHOLE_COMPARISON_BYTES:
        return b""
    stride = everything.size // _SAMPLES
    return everything[: stride * _SAMPLES].reshape(_SAMPLES, stride)[:, :_SAMPLE_BYTES].tobytes()
