"""A thread that looks at the room for memory while something is kept that can give way."""

import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress

from joblib_mpi import _core

#: The time between two looks, each of which takes some 50 µs. Chosen: a process fills some 100 MB in this time.
_PAUSE_SECONDS = 0.05


class RoomWatch:
    """Calls a method of the owner with the room for memory, from `begin` on, until the method returns False.

    The owner calls `begin` under the lock that its method takes, so that none of the two misses the other.

    Parameters
    ----------
    room : callable
        Returns the bytes of memory that are left.
    give_way : bound method
        Takes those bytes; returns whether the watch goes on. Its object may be garbage any time.
    """

    def __init__(self, room: Callable[[], float], give_way: Callable[[float], bool]) -> None:
        self._room = room
        self._give_way = weakref.WeakMethod(give_way)
        self._is_watching = False

    def begin(self) -> None:
        """Watch from now on, if that is not so already. At the end of the program nothing is watched."""
        if self._is_watching:
            return
        thread = threading.Thread(target=self._watch, name="joblib-mpi room", daemon=True)
        with suppress(RuntimeError):
            thread.start()
            self._is_watching = True

    def end(self) -> None:
        """Note, under the owner's lock, that the method is about to return False."""
        self._is_watching = False

    def _watch(self) -> None:
        with suppress(_core.SessionError):  # the session has ended
            while self._goes_on():
                time.sleep(_PAUSE_SECONDS)

    def _goes_on(self) -> bool:
        give_way = self._give_way()
        try:
            return give_way is not None and give_way(self._room())
        except MemoryError:
            return True  # the next look may find some
