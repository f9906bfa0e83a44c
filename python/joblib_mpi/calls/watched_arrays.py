"""Large arrays in the arguments of tasks, which are not copied: a change before their tasks are done is an error.

To compare all bytes of a large array for each task would take longer than many tasks do. They are compared when the
program has made the task after the first with that array, when the array comes a second time, and at the end of the
range of tasks; in between as often as this takes a small part of the time, and for each task a piece of them.
"""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from joblib_mpi.sharing.hashed_memory import ChangedContentError, HashedMemory
from joblib_mpi.sharing.regions import address_of_array, flat_bytes

#: The arrays that are glanced at for each task, which takes some 5 µs for each.
_GLANCES = 4

#: The pause after a comparison of all bytes, in times that it has taken: so these take at most a twentieth of the time.
#: Chosen, not measured.
_PAUSE = 19


class Take:
    """The tasks that joblib asks for at one time, as positions in the call.

    Parameters
    ----------
    begin : int
        The position of the first.

    Attributes
    ----------
    end : int
        The position after the last that joblib has handed over.
    is_open : bool
        Whether joblib has not handed over all of them.
    """

    def __init__(self, begin: int) -> None:
        self.begin = self.end = begin
        self.is_open = True


class _Watched:
    def __init__(self, memory: HashedMemory, array: np.ndarray, take: Take, look: int) -> None:
        self.memory = memory
        self.described = f" ({array.dtype}, shape {array.shape})"
        self.take = take
        self.compared_in = look  # the number of the look
        self.is_dropped = False


class WatchedArrays:
    """The large arrays of tasks that are not done; for one thread at a time, except for `memory`.

    Parameters
    ----------
    has_outstanding : callable
        Says whether a task between two positions is not done.
    clock : callable
        Returns the time in seconds.

    Attributes
    ----------
    by_place : dict
        The arrays, by the addresses at which they begin and end; empty if there are none.
    added : list
        The arrays that `hash_added` has not seen.
    """

    def __init__(
        self, has_outstanding: Callable[[range], bool], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._has_outstanding = has_outstanding
        self._clock = clock
        self.by_place: dict[tuple[int, int], _Watched] = {}
        self.added: list[tuple[np.ndarray, np.ndarray, Take]] = []
        self._turns: deque[_Watched] = deque()
        self._new: list[_Watched] = []
        self._n_references = self._n_looks = 0
        self._next_comparison = 0.0

    def memory(self, begin: int, end: int) -> HashedMemory | None:
        """Return the memory between two addresses if it is watched; any thread may call this."""
        watched = self.by_place.get((begin, end))
        return watched.memory if watched is not None and watched.memory.is_alive() else None

    def add(self, array: np.ndarray, content: np.ndarray, take: Take) -> None:
        """Watch an array from the next `hash_added` on until the tasks of ``take`` are done.

        Parameters
        ----------
        array : numpy.ndarray
            The array.
        content : numpy.ndarray
            The contiguous bytes that have its elements.
        take : Take
            The take that has the task.

        Raises
        ------
        ChangedContentError
            It is watched for a task that is not done, and has changed.
        """
        begin = address_of_array(content)
        known = self.by_place.get((begin, begin + content.nbytes))
        if known is None:
            self.added.append((array, content, take))
        elif known.memory.is_of(memoryview(content)) and self._is_under_way(known.take):
            self._add_again(known, take)
        else:
            self._drop(known)
            self.added.append((array, content, take))

    def hash_added(self) -> None:
        """Begin to watch the arrays that were added, unless only their task holds them, since then they cannot change.

        To be called when the task is there, and nothing else on the way to it holds them any more.
        """
        while self.added:
            array, content, take = self.added.pop()
            self._n_references = sys.getrefcount(array)
            if self._n_references <= _HELD_ONCE and array.base is None:
                continue
            begin = address_of_array(content)
            key = begin, begin + content.nbytes
            if key not in self.by_place:
                memory = HashedMemory(memoryview(content), keeps_unowned=True)
                self.by_place[key] = watched = _Watched(memory, array, take, self._n_looks)
                self._turns.append(watched)
                self._new.append(watched)

    def look(self) -> None:
        """Compare arrays after the program has made a task; raises `ChangedContentError`."""
        self._n_looks += 1
        if self._new:
            new, self._new = self._new, []
            self._compare(new)
        elif self._clock() >= self._next_comparison:
            self._compare(list(self.by_place.values()))
        else:
            self._glance()

    def look_at_all(self) -> None:
        """Compare all bytes at the end of the range of tasks; raises `ChangedContentError`."""
        self._n_looks += 1
        self._new.clear()
        self._compare(list(self.by_place.values()))

    def drop_done(self) -> None:
        """Watch arrays no longer whose tasks are done."""
        under_way: dict[int, bool] = {}
        for watched in list(self.by_place.values()):
            key = id(watched.take)
            if key not in under_way:
                under_way[key] = self._is_under_way(watched.take)
            if not under_way[key] or not watched.memory.is_alive():
                self._drop(watched)

    def clear(self) -> None:
        """Watch nothing any more."""
        self.added.clear()
        self.by_place.clear()
        self._turns.clear()
        self._new.clear()

    def _is_under_way(self, take: Take) -> bool:
        return take.is_open or self._has_outstanding(range(take.begin, take.end))

    def _add_again(self, known: _Watched, take: Take) -> None:
        was_compared = known.compared_in == self._n_looks
        if not known.memory.comes_again and not was_compared:
            has_changed = known.memory.has_changed()
        else:  # the look at the task has glanced at few arrays
            has_changed = not was_compared and len(self._turns) > _GLANCES and known.memory.glance()
        if has_changed:
            raise self._error(known)
        known.memory.comes_again = True
        known.take = take

    def _compare(self, some: Iterable[_Watched]) -> None:
        start = self._clock()
        for watched in some:
            if not watched.is_dropped and self._is_alive(watched):
                watched.compared_in = self._n_looks
                if watched.memory.has_changed():
                    self._has_found_changed(watched)
        end = self._clock()
        self._next_comparison = end + _PAUSE * (end - start)

    def _glance(self) -> None:
        for _ in range(min(_GLANCES, len(self._turns))):
            watched = self._turns.popleft()
            if watched.is_dropped or not self._is_alive(watched):
                continue
            self._turns.append(watched)
            if watched.memory.glance():
                self._has_found_changed(watched)

    def _is_alive(self, watched: _Watched) -> bool:
        if watched.memory.is_alive():
            return True
        self._drop(watched)
        return False

    def _has_found_changed(self, watched: _Watched) -> None:
        if self._is_under_way(watched.take):
            raise self._error(watched)
        self._drop(watched)

    def _drop(self, watched: _Watched) -> None:
        watched.is_dropped = True
        memory = watched.memory
        key = memory.begin, memory.end
        if self.by_place.get(key) is watched:
            del self.by_place[key]

    def _error(self, watched: _Watched) -> ChangedContentError:
        return ChangedContentError(watched.memory.end - watched.memory.begin, watched.described)


def _references_of_one_holder() -> int:
    # Measured by the same code, because it also counts those that the interpreter has on the way.
    task = (np.zeros(1),)
    watched = WatchedArrays(lambda indices: False)
    watched.add(task[0], flat_bytes(task[0]), Take(0))
    watched.hash_added()
    return watched._n_references


_HELD_ONCE = 0
_HELD_ONCE = _references_of_one_holder()
