"""Memory maps of files in the arguments of tasks: where a worker has the same file, the task gets a map of it, too."""

import mmap
import pickle
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from joblib_mpi.sharing.mapped_files import (
    FilePlace,
    MappedFiles,
    Refusal,
    address_of_map,
    file_of_map,
    has_private_pages,
    open_without_waiting,
)
from joblib_mpi.sharing.regions import address_of_array, owners_of, span_of

#: The modes in which a task opens a map, by that of the program. "w+" would empty the file.
_TASK_MODES = {"r": "r", "c": "c", "r+": "r+", "w+": "r+"}


class WholeMap(NamedTuple):
    """The memory map of a file, of which arrays are views.

    Attributes
    ----------
    mapped : mmap.mmap
        The map.
    filename : str, path-like or None
        The name of the file, if it has one.
    mode : str
        The mode, as for `numpy.memmap`.
    """

    mapped: mmap.mmap
    filename: Any
    mode: str


def map_behind(array: np.ndarray) -> WholeMap | None:
    """Return the memory map of a file that an array is, or is a view of."""
    for owner in owners_of(array):
        if isinstance(owner, np.memmap) and owner._mmap is not None:  # type: ignore[attr-defined]
            return WholeMap(owner._mmap, owner.filename, owner.mode)  # type: ignore[attr-defined]
        if isinstance(owner, mmap.mmap):
            found = file_of_map(owner)
            return None if found is None else WholeMap(owner, *found)
    return None


def is_pickled_as_array(kind: type) -> bool:
    """Return whether pickle saves nothing of an object of this type but its class and an array's elements."""
    return (
        issubclass(kind, np.ndarray)
        and kind.__reduce__ is np.ndarray.__reduce__
        and kind.__reduce_ex__ is np.ndarray.__reduce_ex__
        and kind.__setstate__ is np.ndarray.__setstate__
    )


class WrittenFile(NamedTuple):
    """A file that tasks can write to through a memory map of the program.

    Attributes
    ----------
    name : str
        The file's name.
    mode : str
        The mode of the map.
    """

    name: str
    mode: str


def file_written_through(array: np.ndarray) -> WrittenFile | None:
    """Return the file that a task could write to through an array that it gets, or None."""
    whole = map_behind(array) if array.flags.writeable else None
    if whole is None or _TASK_MODES.get(whole.mode) != "r+":
        return None
    return WrittenFile(str(whole.filename), whole.mode)


def refuse_copy_of_map(array: np.ndarray) -> None:
    """Raise ValueError for an array of a class that pickles itself, if a task could write to its file through it.

    Such a class, as `numpy.ma.MaskedArray`, pickles its elements: what the task writes would be lost.
    """
    for part in (array, getattr(array, "_mask", None)):
        file = file_written_through(part) if isinstance(part, np.ndarray) else None
        if file is not None:
            kind = type(array).__qualname__
            raise ValueError(
                f'a task would write to a copy of the memory map of "{file.name}" (mode "{file.mode}"), because a '
                f"{kind} is sent by its elements: give the task the map and let it make the {kind}, or, if tasks only "
                'read it, open it with mode "r" or give them a copy'
            )


class FileMaps:
    """Decides how tasks get the memory maps of one call or object.

    Parameters
    ----------
    files : MappedFiles
        Finds the files, and the workers that have them.
    """

    def __init__(self, files: MappedFiles) -> None:
        self._files = files
        self._maps: dict[tuple[Any, ...], MapOfFile] = {}

    def reduce(self, array: np.ndarray, is_private: bool, reduce_array: Callable[[np.ndarray], Any]) -> Any:
        """Return what pickles an array that is a memory map of a file or a view of one, else None.

        Parameters
        ----------
        array : numpy.ndarray
            The array; a view of the map may have any strides.
        is_private : bool
            Whether the task may write to the array as to a copy, even if the map is read-only.
        reduce_array : callable
            Returns what pickles an array without its file, for workers that do not have the file.

        Returns
        -------
        tuple or None
            A function and its arguments, as ``__reduce__`` returns them. None if the array has no file, or holds
            something else than its file.

        Raises
        ------
        ValueError
            A task could write to the file, and a worker does not have it.
        """
        if array.dtype.hasobject or array.nbytes == 0 or (whole := map_behind(array)) is None:
            return None
        mode = _TASK_MODES.get(whole.mode)
        if mode is None:
            return None
        mapped, name = whole.mapped, whole.filename
        map_begin = address_of_map(mapped)
        begin, end = span_of(array)
        if begin < map_begin or map_begin + len(mapped) < end:
            return None
        is_copied = mode == "c" and has_private_pages(begin, end - begin)
        if not array.flags.writeable:
            mode = "r"
        writes = mode == "r+"
        found = None if name is None else self._files.place_of(mapped, name)
        if found is None:
            if writes:
                raise ValueError(
                    f'a task would write to the memory map of "{name}", which no name leads to any more: the file was '
                    "deleted or replaced after it was mapped. Keep it until the tasks are done"
                )
            return None
        if is_copied:
            return None
        place, position = found
        refusals = self._files.refusals(place, writes)
        if writes and refusals:
            raise ValueError(self._cannot_write(place, whole.mode, refusals[0]))
        if is_private and mode == "r":
            mode = "c"
        how = (
            self._map_of(place, mode, position, len(mapped)),
            begin - map_begin,
            (type(array), array.shape, array.dtype, address_of_array(array) - map_begin, array.strides),
            array.flags.writeable or is_private,
        )
        if not refusals:
            return open_map, how
        return map_or_array, (how, *reduce_array(array))

    def _map_of(self, place: FilePlace, mode: str, begin: int, nbytes: int) -> "MapOfFile":
        made = MapOfFile(place, mode, begin, nbytes)
        # Tasks of one batch share a map, and must not see what another one has written to private pages.
        return made if mode == "c" else self._maps.setdefault(made.key(), made)

    def _cannot_write(self, place: FilePlace, mode: str, refusal: Refusal) -> str:
        return (
            f'a task would write to the memory map of "{place.path}" (mode "{mode}"), but rank {refusal.rank} on '
            f"{self._files.host(refusal.rank)} must not use the file: {refusal.reason}. If tasks only read it, open it "
            'with mode "r" or give them a read-only view; otherwise put it in a folder that all hosts share, run on '
            "one host, or return what the tasks compute"
        )


def reduce_without_file(array: np.ndarray) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return what pickles an array as one that has no file; contiguous ones are not copied."""
    plain = array.view(np.ndarray)
    reduced: Any = plain.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if len(reduced) == 2:
        rebuild, arguments = reduced
        return rebuild, arguments
    return np.asarray, (np.array(plain),)


class MapOfFile:
    """A memory map that executors make when the first array of a pickle needs it; its other views share it.

    Parameters
    ----------
    place : FilePlace
        The file.
    mode : {"r", "c", "r+"}
        The mode, as for `numpy.memmap`.
    begin, nbytes : int
        The bytes of the file that the program has mapped.
    """

    def __init__(self, place: FilePlace, mode: str, begin: int, nbytes: int) -> None:
        self.place = place
        self.mode = mode
        self.begin = begin
        self.nbytes = nbytes
        self._opened: np.memmap | None = None

    def __reduce__(self) -> Any:
        return MapOfFile, self.key()

    def key(self) -> tuple[FilePlace, str, int, int]:
        """Return what describes this map."""
        return self.place, self.mode, self.begin, self.nbytes

    def open(self) -> np.memmap:
        """Return the bytes of the file on this host; raises OSError if the file is not here (any more)."""
        if self._opened is None:
            with open(self.place.path, "r+b" if self.mode == "r+" else "rb", opener=open_without_waiting) as file:
                if not self.place.is_at(file.fileno(), self.begin + self.nbytes):
                    raise OSError(
                        f'the memory map of "{self.place.path}" cannot be opened on {socket.gethostname()}: the file '
                        "there is not the one that the program had mapped when it made the task. Keep the file until "
                        "the tasks are done"
                    )
                mode: Any = self.mode  # numpy's stub wants a literal
                self._opened = np.memmap(file, np.uint8, mode, self.begin, (self.nbytes,))
        return self._opened


def open_map(
    source: MapOfFile,
    first: int,
    view: tuple[type, tuple[int, ...], np.dtype[Any], int, tuple[int, ...]],
    is_writeable: bool,
) -> np.ndarray:
    """Return the array that the program had as a view of a memory map, as a view of a map on this host.

    Parameters
    ----------
    source : MapOfFile
        The map.
    first : int
        The position of the array's first byte in the map.
    view : tuple
        Class, shape, dtype, position in the map and strides of the array.
    is_writeable : bool
        Whether the array may be written to, as far as the mode of the map allows it.

    Raises
    ------
    OSError
        The file is not here (any more).
    """
    kind, shape, dtype, offset, strides = view
    whole = source.open()
    array: np.ndarray = np.ndarray(shape, dtype, whole, offset, strides)
    if kind is not np.ndarray:
        array = array.view(kind)
    if isinstance(array, np.memmap):
        array._mmap = whole._mmap  # type: ignore[attr-defined]
        array.filename, array.offset, array.mode = whole.filename, source.begin + first, source.mode
    if not is_writeable and array.flags.writeable:
        array.flags.writeable = False
    return array


def map_or_array(how: tuple[Any, ...], rebuild: Callable[..., Any], arguments: tuple[Any, ...]) -> np.ndarray:
    """Return the map on the host of the program, and the array without a file on others."""
    source: MapOfFile = how[0]
    if source.place.is_on_this_host():
        return open_map(*how)
    array: np.ndarray = rebuild(*arguments)
    return array
