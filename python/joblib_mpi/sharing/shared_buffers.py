"""The contents that a session keeps on its nodes for tasks to share, within limits."""

import math
import threading
import weakref
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np

from joblib_mpi import _core
from joblib_mpi.coordinator import Coordinator
from joblib_mpi.sharing.mapped_files import MappedFiles
from joblib_mpi.sharing.room_watch import RoomWatch

#: From this size on it is asked whether there is room for a copy that travels with a task. Chosen, not measured.
ASKED_BYTES = 2**24

#: The part of the limit for contents between calls that the executors of a node may take for kept functions. Chosen,
#: not measured: most functions are small, and each executor keeps one in any case.
_PART_OF_EXECUTORS = 1 / 8

#: The number of contents that are remembered without their bytes, at some 100 bytes each.
_REMEMBERED_CONTENTS = 4096


class SharedBuffers:
    """The contents that one session keeps on its nodes, for one call or for later ones, and the limits for them.

    A content stays after the call that it was made for while the program has the array that it comes from, or once it
    has come in two calls. Such contents make room for others, and for the program itself when memory gets small, the
    least recently used first. Objects that the program
    has scattered stay until it drops them. Several threads may use this object.

    Parameters
    ----------
    core : Coordinator
        Rank 0's session.
    limit : int
        The bytes that shared objects may take on each node.
    kept_limit : int
        The bytes that contents which no running call uses may take on each node.
    limits_scattered : bool
        Whether ``limit`` also applies to objects that the program scatters, and to contents that have to become objects
        because there is no room for a copy that travels with each task.
    room : callable, optional
        Returns the bytes of memory that the node with the least has left: unused contents take at most half of that,
        and there is no copy with a task where it would take too much. Without it nothing is watched.

    Attributes
    ----------
    files : MappedFiles
        The files of memory maps, which the workers open themselves.
    """

    def __init__(
        self,
        core: Coordinator,
        limit: int,
        kept_limit: int,
        limits_scattered: bool = True,
        room: Callable[[], float] | None = None,
    ) -> None:
        self._core = core
        self.limit = limit
        self.kept_limit = kept_limit
        self._limits_scattered = limits_scattered
        self.files = MappedFiles(core)
        self._room: Callable[[], float] = (lambda: math.inf) if room is None else room
        self._room_watch = None if room is None else RoomWatch(room, self.give_way)
        self._lock = threading.Lock()
        self._contents: dict[bytes, Content] = {}
        self._seen: OrderedDict[bytes, int] = OrderedDict()  # contents that are no objects, with the last call of each
        self._unused: OrderedDict[int, Content] = OrderedDict()  # by object; the least recently used first
        self._unused_bytes = 0
        self._ownerless: deque[Content] = deque()
        self._scattered_bytes: dict[int, int] = {}
        self._automatic_bytes = 0
        self._n_sent_once = self._n_promoted = self._n_found = self._n_evicted = 0

    @cached_property
    def kept_function_bytes(self) -> int:
        """The bytes of functions that each executor may keep unpickled, beside the pickles that its node has."""
        executors = Counter(self._core.host(rank) for rank in range(1, self._core.size))
        return int(self.kept_limit * _PART_OF_EXECUTORS) // max(executors.values(), default=1)

    def use(
        self, content: bytes, buffer: memoryview, call: int, owner: np.ndarray | None = None, at_once: bool = False
    ) -> "Content | None":
        """Return the object that has these bytes, for `release` later, or None if they are to be sent with the task.

        They are sent with the task at their first use, unless ``at_once``, and if objects may take no more memory. At
        their second use they become an object. Where there is no room for two copies they do at once, because a node
        without room for an object puts it into a file.

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
            elif self._becomes_object(content, buffer.nbytes, at_once):
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
            self._note_use(known)
            return known

    def release(self, contents: Sequence["Content"]) -> None:
        """Note the end of a call that has used these contents.

        From now on the program may change the bytes. While a broadcast is under way, it is not known which bytes it
        sends, so these contents are hidden.
        """
        if not contents:
            return
        under_way = self._is_sending()
        with self._lock:
            for content in contents:
                if under_way:
                    self._hide(content)
                content.n_users -= 1
                if content.n_users == 0:
                    self._note_last_use(content)
            self._free_ownerless()
            self._evict(self._unused_bytes - self.kept_limit)

    def give_way(self, room: float) -> bool:
        """Let unused contents go that take more than half of ``room`` bytes; return whether any are left."""
        with self._lock:
            self._evict(self._unused_bytes - min(self.kept_limit, room // 2))
            if not self._unused and self._room_watch is not None:
                self._room_watch.end()
            return bool(self._unused)

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

    def _is_sending(self) -> bool:
        try:
            return self._core.object_stats()["transfers"] > 0
        except _core.SessionError:  # the job is gone
            return False

    def _becomes_object(self, content: bytes, nbytes: int, at_once: bool) -> bool:
        if nbytes >= ASKED_BYTES and self._room() < 2 * nbytes + ASKED_BYTES:
            return self._make_room(nbytes) or not self._limits_scattered
        return (at_once or content in self._seen) and self._make_room(nbytes)

    def _make_room(self, needed: int) -> bool:
        excess = self._held_bytes() + needed - self.limit
        if excess <= 0:
            return True
        if excess > self._unused_bytes:
            return False  # and nothing is evicted
        self._evict(excess)
        return True

    def _note_use(self, content: "Content") -> None:
        if self._unused.pop(content.object_id, None) is not None:
            self._unused_bytes -= content.nbytes

    def _note_last_use(self, content: "Content") -> None:
        if content.stays:
            self._unused[content.object_id] = content
            self._unused_bytes += content.nbytes
            if self._room_watch is not None:
                self._room_watch.begin()
        else:
            self._let_go(content)

    def _evict(self, excess: float) -> None:
        while excess > 0 and self._unused:
            content = next(iter(self._unused.values()))
            excess -= content.nbytes
            self._n_evicted += 1
            self._let_go(content)

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
        self._note_use(content)
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
        """True if the object stays when no running call uses it."""
        return not self.is_hidden and (self.comes_again or (self.owner is not None and self.owner() is not None))
