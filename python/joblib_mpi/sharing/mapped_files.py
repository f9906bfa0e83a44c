"""Files that rank 0 has mapped, and the hosts that have the same files at the same paths."""

import bisect
import mmap
import os
import re
import stat
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import numpy as np

from joblib_mpi.coordinator import Coordinator

#: A number of the kernel's, by which executors tell whether they are on rank 0's host.
_BOOT_ID = "/proc/sys/kernel/random/boot_id"

_MAPS = "/proc/self/maps"
#: Names there of memory that has no file which another process could open.
_WITHOUT_FILE = re.compile(rb"/dev/(?!shm/)|/memfd:|/SYSV|/anon_hugepage")

#: Holds 64 bits for each page of this process; see proc(5).
_PAGE_MAP = "/proc/self/pagemap"
_PAGES_AT_ONCE = 2**17
_PRESENT, _SWAPPED, _OF_A_FILE = np.uint64(1 << 63), np.uint64(1 << 62), np.uint64(1 << 61)


class FilePlace(NamedTuple):
    """A file on rank 0's host.

    Parameters
    ----------
    path : str
        Its path, without symbolic links.
    device, inode : int
        Its numbers on rank 0's host, as of `os.stat`.
    boot_id : str
        The boot of rank 0's kernel; empty if it is unknown.
    """

    path: str
    device: int
    inode: int
    boot_id: str

    def is_at(self, descriptor: int, end: int) -> bool:
        """Return whether an open file of this host is the file, and has at least ``end`` bytes."""
        here = os.fstat(descriptor)
        is_on_its_host = self.boot_id != "" and self.boot_id == boot_id()
        return here.st_ino == self.inode and here.st_size >= end and (not is_on_its_host or here.st_dev == self.device)

    def is_on_this_host(self) -> bool:
        """Return whether this process runs on rank 0's kernel and has the file at the path."""
        try:
            here = os.stat(self.path)
        except OSError:
            return False
        return self.boot_id == boot_id() != "" and (here.st_dev, here.st_ino) == (self.device, self.inode)


class Refusal(NamedTuple):
    """A rank whose host does not have a file, and the reason."""

    rank: int
    reason: str


class MappedFiles:
    """The files of memory maps that tasks get, with the answers of the workers that were asked for them.

    Several threads may use this object.

    Parameters
    ----------
    core : Coordinator
        Rank 0's session.
    """

    def __init__(self, core: Coordinator) -> None:
        self._core = core
        self._lock = threading.Lock()
        self._places: weakref.WeakKeyDictionary[mmap.mmap, tuple[FilePlace, int]] = weakref.WeakKeyDictionary()
        self._refusals: dict[tuple[FilePlace, bool], tuple[tuple[int, ...], list[Refusal]]] = {}

    def place_of(self, mapped: mmap.mmap, name: str) -> tuple[FilePlace, int] | None:
        """Return the file of a memory map and the position of its first byte there.

        Returns None if ``name`` does not lead to the mapped file, because that was deleted or replaced.
        """
        with self._lock:
            known = self._places.get(mapped)
            if known is not None and _leads_to(known[0]):
                return known
            found = _find_place(mapped, name)
            if found is not None:
                self._places[mapped] = found
            return found

    def refusals(self, place: FilePlace, for_writing: bool) -> list[Refusal]:
        """Return the ranks whose hosts do not have the file; the workers are asked once for each of its states."""
        with self._lock:
            key = place, for_writing
            state = self._state_of(place, for_writing)
            known = self._refusals.get(key)
            if known is None or known[0] != state:
                refused = self._ask(place, for_writing)
                known = self._refusals[key] = self._state_of(place, for_writing), refused
            return known[1]

    def host(self, rank: int) -> str:
        """Return the name of a rank's host."""
        return self._core.host(rank)

    def _state_of(self, place: FilePlace, for_writing: bool) -> tuple[int, ...]:
        if self._is_one_host():
            return ()
        returns = self._core.worker_returns()
        if for_writing:
            return (returns,)
        # Another host's file that is read may be an equal copy, which has to be compared again after each change.
        now = os.stat(place.path)
        return returns, now.st_size, now.st_mtime_ns, now.st_ctime_ns

    def _is_one_host(self) -> bool:
        here = self._core.host(0)
        return all(self._core.host(rank) == here for rank in range(1, self._core.size))

    def _ask(self, place: FilePlace, for_writing: bool) -> list[Refusal]:
        if not self._is_one_host():
            _write_back(place.path)
        refused = self._core.compare_file(place.path, for_writing, "")
        if refused:
            with _mark_beside(place.path) as mark:
                if mark:
                    refused = self._core.compare_file(place.path, for_writing, mark)
        return [Refusal(*refusal) for refusal in refused]


def boot_id() -> str:
    """Return the number of this kernel's boot, or an empty text."""
    global _boot_id
    if _boot_id is None:
        try:
            with open(_BOOT_ID) as file:
                _boot_id = file.read().strip()
        except OSError:
            _boot_id = ""
    return _boot_id


_boot_id: str | None = None


def file_of_map(mapped: mmap.mmap) -> tuple[str, str] | None:
    """Return the name of the file that a plain memory map is of, and the mode of `numpy.memmap` that it has.

    Returns None for memory without a file, which is shared with forked processes only, and for closed maps.
    """
    known = _files_of_maps.get(mapped)
    if known is None:
        try:
            begin = address_of_map(mapped)
            with open(_MAPS, "rb") as maps:
                known = _name_and_mode(maps.read().splitlines(), begin)
        except (OSError, ValueError):  # ValueError: it was closed
            return None
        _files_of_maps[mapped] = known
    return known if known[0] else None


_files_of_maps: "weakref.WeakKeyDictionary[mmap.mmap, tuple[str, str]]" = weakref.WeakKeyDictionary()


def _name_and_mode(lines: list[bytes], address: int) -> tuple[str, str]:
    position = bisect.bisect_right(lines, address, key=_start_of_line) - 1
    fields = lines[position].split(None, 5)
    if len(fields) < 6 or not fields[5].startswith(b"/") or _WITHOUT_FILE.match(fields[5]):
        return "", ""
    name = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), fields[5])
    mode = "r" if fields[1][1:2] != b"w" else "r+" if fields[1][3:4] == b"s" else "c"
    return os.fsdecode(name), mode


def has_private_pages(begin: int, nbytes: int) -> bool:
    """Return whether a copy-on-write mapping was written to between two addresses; True if that cannot be known."""
    page = mmap.PAGESIZE
    first, end = begin // page, (begin + nbytes + page - 1) // page
    try:
        with open(_PAGE_MAP, "rb", buffering=0) as file:
            file.seek(first * 8)
            for begin in range(first, end, _PAGES_AT_ONCE):
                count = min(end - begin, _PAGES_AT_ONCE)
                pages = np.frombuffer(file.read(count * 8), np.uint64)
                is_private = ((pages & _PRESENT) != 0) & ((pages & _OF_A_FILE) == 0) | ((pages & _SWAPPED) != 0)
                if len(pages) < count or is_private.any():
                    return True
    except OSError:
        return True
    return False


def _leads_to(place: FilePlace) -> bool:
    try:
        now = os.stat(place.path)
    except OSError:
        return False
    return (now.st_dev, now.st_ino) == (place.device, place.inode)


def _find_place(mapped: mmap.mmap, name: str) -> tuple[FilePlace, int] | None:
    # The numbers in /proc/self/maps are not always those of stat, for example on btrfs, so they are compared with those
    # of a second mapping of the file.
    path = os.path.realpath(name)
    try:
        with open(path, "rb", opener=open_without_waiting) as file:
            now = os.fstat(file.fileno())
            if not stat.S_ISREG(now.st_mode):
                return None
            with mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ) as probe:
                begin, probe_begin = address_of_map(mapped), address_of_map(probe)
                lines = _lines_of_maps({begin, probe_begin})
    except (OSError, ValueError):  # ValueError: the map was closed, or the file is empty
        return None
    mine, other = lines.get(begin), lines.get(probe_begin)
    if mine is None or other is None or mine[2:] != other[2:]:
        return None
    start, offset = mine[:2]
    return FilePlace(path, now.st_dev, now.st_ino, boot_id()), offset + begin - start


def open_without_waiting(path: str, flags: int) -> int:
    """Return a descriptor for a file, as an ``opener`` of `open`; neither a pipe nor a link may be in its place."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def address_of_map(mapped: mmap.mmap) -> int:
    """Return the address of a memory map's first byte."""
    address: int = np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
    return address


def _lines_of_maps(addresses: set[int]) -> dict[int, tuple[int, int, bytes, bytes]]:
    """Return for each address the start of its mapping, the offset there, and the numbers of device and inode."""
    found = {}
    with open(_MAPS, "rb") as maps:
        lines = maps.read().splitlines()  # in the order of their addresses
    for address in addresses:
        position = bisect.bisect_right(lines, address, key=_start_of_line) - 1
        if position < 0:
            continue
        span, _, offset, device, inode = lines[position].split(None, 5)[:5]
        start, end = (int(text, 16) for text in span.split(b"-"))
        if address < end:
            found[address] = start, int(offset, 16), device, inode
    return found


def _start_of_line(line: bytes) -> int:
    return int(line.split(b"-", 1)[0], 16)


def _write_back(path: str) -> None:
    # What this host has written through a mapping is not seen on others before.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _mark_beside(path: str) -> Iterator[str]:
    # Only a host that shares the folder sees the mark. It cannot be made in a folder that is read-only.
    try:
        descriptor, mark = tempfile.mkstemp(prefix=".joblib-mpi-", dir=os.path.dirname(path))
    except OSError:
        yield ""
        return
    os.close(descriptor)
    try:
        yield os.path.basename(mark)
    finally:
        with suppress(OSError):
            os.unlink(mark)
