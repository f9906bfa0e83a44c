"""Memory of the program on rank 0, found again by its addresses."""

import bisect
import threading
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np

AnyRegion = TypeVar("AnyRegion", bound="Region")

#: The number of objects from a view to what owns its memory; numpy makes few, and none goes in circles.
_MOST_OWNERS = 100

#: The number of regions from which those of garbage are looked for.
_FIRST_PURGE = 256


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

    def is_alive(self) -> bool:
        """Return whether the memory is still the buffer's."""
        return True


class ScatteredRegion(Region):
    """The memory of a buffer of an object that the program has scattered.

    Parameters
    ----------
    buffer : memoryview
        The buffer, contiguous.
    object_id : int
        The object.
    part : int
        The buffer's position among those of the object.
    """

    def __init__(self, buffer: memoryview, object_id: int, part: int) -> None:
        super().__init__(buffer)
        self.object_id = object_id
        self.part = part


class RegionIndex(Generic[AnyRegion]):
    """Regions in the order of their addresses. Several threads may use this object.

    No live region of the index is inside another one, so that both ends grow from one to the next, and the last that
    begins early enough decides.
    """

    def __init__(self) -> None:
        self._regions: list[AnyRegion] = []
        self._lock = threading.Lock()
        self._next_purge = _FIRST_PURGE

    def find(self, begin: int, end: int) -> AnyRegion | None:
        """Return a live region that holds the addresses from ``begin`` to ``end``, or None."""
        with self._lock:
            position = self._after(begin)
            while position > 0 and not self._regions[position - 1].is_alive():  # its memory may be another's by now
                position -= 1
                del self._regions[position]
            if position == 0:
                return None
            region = self._regions[position - 1]
            return region if region.holds(begin, end) else None

    def add(self, region: AnyRegion) -> None:
        """Add a region in place of those that are inside it; only if `find` has found none that holds it."""
        with self._lock:
            first = position = bisect.bisect_left(self._regions, region.begin, key=_begin_of)
            while position < len(self._regions) and self._regions[position].end <= region.end:
                position += 1
            self._regions[first:position] = [region]
            if len(self._regions) > self._next_purge:
                self._regions = [region for region in self._regions if region.is_alive()]
                self._next_purge = max(2 * len(self._regions), _FIRST_PURGE)

    def remove(self, region: AnyRegion) -> None:
        """Remove a region, if it is there."""
        with self._lock:
            position = self._after(region.begin) - 1
            if position >= 0 and self._regions[position] is region:
                del self._regions[position]

    def clear(self) -> None:
        """Remove all regions."""
        with self._lock:
            self._regions.clear()

    def _after(self, begin: int) -> int:
        return bisect.bisect_right(self._regions, begin, key=_begin_of)


def address_of(buffer: memoryview) -> int:
    """Return the address of a contiguous buffer."""
    address: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return address


def address_of_array(array: np.ndarray) -> int:
    """Return the address of an array's first element."""
    address: int = array.__array_interface__["data"][0]
    return address


def flat_bytes(array: np.ndarray) -> np.ndarray:
    """Return the bytes of a contiguous array of any type in the order in which they are in memory."""
    return np.asarray(array).reshape(-1, order="A").view(np.uint8)


def span_of(array: np.ndarray) -> tuple[int, int]:
    """Return the addresses of an array's first byte, and of the byte after its last one."""
    begin = address_of_array(array)
    end = begin + array.itemsize
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            begin += (length - 1) * stride
        else:
            end += (length - 1) * stride
    return begin, end


def owners_of(value: Any) -> Iterator[Any]:
    """Yield an array or buffer, and then each object whose memory the one before shows.

    These need not be arrays: views of `numpy.lib.stride_tricks` have another object between them and their array.
    """
    for _ in range(_MOST_OWNERS):
        yield value
        value = value.obj if isinstance(value, memoryview) else getattr(value, "base", None)
        if value is None:
            return


def _begin_of(region: Region) -> int:
    return region.begin
