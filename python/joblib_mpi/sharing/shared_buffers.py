"""Large buffers that tasks share: the first task that has one brings it along, for the second it is broadcast."""

import itertools
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from joblib_mpi import _core

#: Buffers of at most this size are compared as a whole each time that they are used again within a call. Chosen, not
#: measured: it takes some tenths of a millisecond.
WHOLE_COMPARISON_BYTES = 4 * 2**20

#: Longer buffers are compared at this many places of this many bytes.
_SAMPLES = 64
_SAMPLE_BYTES = 64

#: The number of contents that are remembered without their bytes, at some 100 bytes each.
_REMEMBERED_CONTENTS = 4096

_call_numbers = itertools.count()


class Reference(NamedTuple):
    """The place of a buffer on the workers: object, part of the object, and offset in bytes."""

    object_id: int
    part: int
    offset: int


class Region:
    """The memory of a buffer on rank 0.

    Parameters
    ----------
    buffer : memoryview
        The buffer, contiguous.
    """

    def __init__(self, buffer: memoryview) -> None:
        self.begin = address_of(buffer)
        self.end = self.begin + buffer.nbytes

    def holds(self, begin: int, end: int) -> bool:
        """Return whether the addresses from ``begin`` to ``end`` are in this memory."""
        return self.begin <= begin and end <= self.end


def address_of(buffer: memoryview) -> int:
    """Return the address of a contiguous buffer."""
    address: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return address


def flat_bytes(array: np.ndarray) -> np.ndarray:
    """Return the bytes of a contiguous array of any type in the order in which they are in memory."""
    return np.asarray(array).reshape(-1, order="A").view(np.uint8)


class SharedBuffers:
    """The contents that one session keeps on its nodes, for one call or for later ones, and the limits for them.

    A content stays after the call that it was made for while the program has the array that it comes from, or once it
    has come in two calls. Such contents make room for others, the least recently used first. Objects that the program
    has scattered stay until it drops them. Several threads may use this object.

    Parameters
    ----------
    core : _core.CoordinatorSession
        Rank 0's session.
    limit : int
        The bytes that shared objects may take on each node.
    kept_limit : int
        The bytes that contents which no running call uses may take on each node.
    limits_scattered : bool
        Whether ``limit`` also applies to objects that the program scatters.
    """

    def __init__(
        self, core: _core.CoordinatorSession, limit: int, kept_limit: int, limits_scattered: bool = True
    ) -> None:
        self._core = core
        self.limit = limit
        self.kept_limit = kept_limit
        self._limits_scattered = limits_scattered
        self._lock = threading.Lock()
        self._contents: OrderedDict[bytes, Content] = OrderedDict()  # the least recently used first
        self._seen: OrderedDict[bytes, int] = OrderedDict()  # contents that are no objects, with the last call of each
        self._ownerless: deque[Content] = deque()
        self._scattered_bytes: dict[int, int] = {}
        self._automatic_bytes = 0
        self._n_sent_once = self._n_promoted = self._n_found = self._n_evicted = 0

    def use(
        self, content: bytes, buffer: memoryview, call: int, owner: np.ndarray | None = None, at_once: bool = False
    ) -> "Content | None":
        """Return the object that has these bytes, for `release` later, or None if they are to be sent with the task.

        They are sent with the task at their first use, unless ``at_once``, and if there is no room for an object. At
        their second use they become an object.

        Parameters
        ----------
        content : bytes
            The hash of the bytes.
        buffer : memoryview
            The bytes.
        call : int
            The number of the call that uses them.
        owner : numpy.ndarray, optional
            The array of the program that has them.
        at_once : bool
            Whether they become an object at their first use.
        """
        with self._lock:
            self._free_ownerless()
            known = self._contents.get(content)
            if known is not None:
                self._n_found += 1
                known.comes_again |= known.last_call != call
            elif (at_once or content in self._seen) and self._make_room(buffer.nbytes):
                known = Content(content, self._core.scatter(b"", (buffer,)), buffer.nbytes)
                known.comes_again = self._seen.pop(content, call) != call
                self._contents[content] = known
                self._automatic_bytes += buffer.nbytes
                self._n_promoted += 1
            else:
                self._remember(content, call)
                self._n_sent_once += 1
                return None
            if owner is not None:
                known.owner = weakref.ref(owner, self._notice_of(known))
            known.last_call = call
            known.n_users += 1
            self._contents.move_to_end(content)
            return known

    def release(self, contents: Sequence["Content"]) -> None:
        """Note the end of a call that has used these contents.

        From now on the program may change the bytes. While a broadcast is under way, it is not known which bytes it
        sends, so these contents are hidden.
        """
        if not contents:
            return
        under_way = self._core.object_stats()["transfers"] > 0
        with self._lock:
            for content in contents:
                if under_way:
                    self._hide(content)
                content.n_users -= 1
                if content.n_users == 0 and not content.stays:
                    self._let_go(content)
            self._free_ownerless()
            self._evict(self._unused_bytes() - self.kept_limit)

    def hide(self, content: "Content") -> None:
        """Hide a content from later tasks, because the program has changed the bytes."""
        with self._lock:
            self._hide(content)

    def scatter(self, head: bytes, buffers: Any, what: str) -> int:
        """Share an object that the program scatters; raises MemoryError, which names ``what``, if there is no room."""
        needed = len(head) + sum(memoryview(buffer).nbytes for buffer in buffers)
        with self._lock:
            if not self._make_room(needed) and self._limits_scattered:
                raise MemoryError(
                    f"{what} needs {needed} bytes on each node, but {self._held_bytes()} of the {self.limit} bytes "
                    "that shared objects may take are in use; free other objects, or raise JOBLIB_MPI_SHARED_LIMIT"
                )
            object_id = self._core.scatter(head, buffers)
            self._scattered_bytes[object_id] = needed
            return object_id

    def drop(self, object_id: int) -> None:
        """Free an object that the program has scattered on all nodes."""
        with self._lock:
            del self._scattered_bytes[object_id]
        self._core.drop(object_id)

    def stats(self) -> dict[str, int]:
        """Return counts and sizes of the contents; see `joblib_mpi.stats`."""
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
        if excess <= 0:
            return True
        if excess > self._unused_bytes():
            return False  # and nothing is evicted
        self._evict(excess)
        return True

    def _unused_bytes(self) -> int:
        return sum(content.nbytes for content in self._contents.values() if content.n_users == 0)

    def _evict(self, excess: int) -> None:
        if excess <= 0:
            return
        for content in [content for content in self._contents.values() if content.n_users == 0]:
            excess -= content.nbytes
            self._n_evicted += 1
            self._let_go(content)
            if excess <= 0:
                return

    def _remember(self, key: bytes, call: int) -> None:
        self._seen[key] = call
        if len(self._seen) > _REMEMBERED_CONTENTS:
            self._seen.popitem(last=False)

    def _notice_of(self, content: "Content") -> Callable[[Any], None]:
        # Python may call this anywhere, in the middle of this object's methods, too.
        def notice(owner: Any) -> None:
            self._ownerless.append(content)
            if self._lock.acquire(blocking=False):
                try:
                    with suppress(_core.SessionError):  # the session has ended
                        self._free_ownerless()
                finally:
                    self._lock.release()

        return notice

    def _free_ownerless(self) -> None:
        while self._ownerless:
            content = self._ownerless.popleft()
            if content.n_users == 0 and not content.is_hidden and not content.stays:
                self._let_go(content)

    def _let_go(self, content: "Content") -> None:
        if not content.is_hidden:
            self._remember(content.key, content.last_call)
        self._hide(content)
        self._automatic_bytes -= content.nbytes
        self._core.drop(content.object_id)

    def _hide(self, content: "Content") -> None:
        if not content.is_hidden:
            content.is_hidden = True
            del self._contents[content.key]


class Content:
    """Bytes that the nodes have as an object. Only `SharedBuffers` makes and changes contents.

    Parameters
    ----------
    key : bytes
        The hash of the bytes.
    object_id : int
        The object.
    nbytes : int
        Its size in bytes.
    """

    def __init__(self, key: bytes, object_id: int, nbytes: int) -> None:
        self.key = key
        self.object_id = object_id
        self.nbytes = nbytes
        self.n_users = 0
        self.is_hidden = False
        self.last_call = -1
        self.comes_again = False
        self.owner: weakref.ref[np.ndarray] | None = None

    @property
    def stays(self) -> bool:
        """Whether the object stays when no running call uses it."""
        return not self.is_hidden and (self.comes_again or (self.owner is not None and self.owner() is not None))


class CallBuffers:
    """The large buffers that the tasks of one call have used, found again by their addresses.

    A buffer counts as unchanged if its bytes are: all bytes up to `WHOLE_COMPARISON_BYTES`, 64 samples of longer
    buffers. So a change that the program makes to a longer array between two tasks of one call may be missed; a change
    between two calls never is.

    For one thread, except for `release`.

    Parameters
    ----------
    shared : SharedBuffers
        The contents that the session keeps on its nodes.
    threshold : float
        The size in bytes from which buffers are shared; infinite if none is.
    scattered : iterable of (Region, int, int)
        The memory of the objects that the program has scattered, each with object id and part; it may grow.
    """

    def __init__(
        self, shared: SharedBuffers, threshold: float, scattered: Iterable[tuple[Region, int, int]] = ()
    ) -> None:
        self.threshold = threshold
        self._shared = shared
        self._number = next(_call_numbers)
        self._scattered = scattered
        self._used: dict[tuple[int, int], _UsedBuffer] = {}
        self._contents: list[Content] = []
        self._lock = threading.Lock()
        self._over = False

    def find(self, buffer: memoryview, at_once: bool = False) -> Reference | None:
        """Return the place of these bytes on the workers, or None if they are to be sent with the task.

        With ``at_once`` they are to be sent only if there is no room for an object.
        """
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
        content = self._share(used, whole, at_once) if used.content is None else used.content
        return None if content is None else Reference(content.object_id, 0, begin - used.begin)

    def knows(self, begin: int, end: int) -> bool:
        """Return whether a buffer that was used before has the addresses from ``begin`` to ``end``."""
        return self._holder(begin, end) is not None or any(region.holds(begin, end) for region, _, _ in self._scattered)

    def constant(self, pickled: bytes) -> int | None:
        """Return the id of the object that has these bytes, or None if there is no room or the call is over."""
        with self._lock:
            if self._over:
                return None
            content = self._shared.use(_core.content_hash(pickled), memoryview(pickled), self._number, at_once=True)
            if content is not None:
                self._contents.append(content)
        return None if content is None else content.object_id

    def release(self) -> None:
        """Release all contents at the end of the call."""
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

    def _share(self, used: "_UsedBuffer", whole: memoryview, at_once: bool) -> Content | None:
        with self._lock:
            if self._over:
                return None
            used.content = self._shared.use(used.key, whole, self._number, used.owner(), at_once)
            if used.content is not None:
                self._contents.append(used.content)
            return used.content


class _UsedBuffer(Region):
    """A buffer with its hash. It keeps no array alive: a call with a generator of arrays would fill rank 0's memory."""

    def __init__(self, buffer: memoryview) -> None:
        super().__init__(buffer)
        self.key = _core.content_hash(buffer)
        self.content: Content | None = None
        owner = _owner_of(buffer)
        self._owner = None if owner is None else weakref.ref(owner)
        self._sample = _sample_of(np.frombuffer(buffer, np.uint8))

    def owner(self) -> np.ndarray | None:
        """Return the array that owns this memory, or None if it is gone or not known."""
        return None if self._owner is None else self._owner()

    def is_alive(self) -> bool:
        """Return whether the array still owns this memory; False if that cannot be known."""
        return self.owner() is not None

    def whole(self) -> memoryview:
        """Return the bytes as they are now; only while `is_alive`."""
        owner = self.owner()
        assert owner is not None
        memory = flat_bytes(owner)
        offset = self.begin - memory.__array_interface__["data"][0]
        return memoryview(memory)[offset : offset + self.end - self.begin]

    def has_changed(self) -> bool:
        """Return whether the program has changed the bytes; only while `is_alive`."""
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
