"""A part of the program's memory with the hash of its content, by which a change of any of its bytes is noticed."""

import weakref

import numpy as np

from joblib_mpi import _core
from joblib_mpi.sharing.regions import Region, address_of, address_of_array, flat_bytes, owners_of

#: The bytes that are hashed at a time, and that one `HashedMemory.glance` compares: some 5 µs. Smaller blocks would let
#: the loop over those of a large array take longer than the hashing.
BLOCK_BYTES = 2**16


class ChangedContentError(ValueError):
    """An array in the arguments of a task was changed before the task was done.

    Parameters
    ----------
    nbytes : int
        The size of the array in bytes.
    described : str, optional
        The array's dtype and shape.
    """

    def __init__(self, nbytes: int, described: str = "") -> None:
        super().__init__(
            f"an array of {nbytes} bytes{described} in the arguments of a task was changed before that task was done, "
            "such as by a range of tasks that fills one array again for each of them: give each task an array that "
            "stays as it is, such as array.copy()"
        )


class HashedMemory(Region):
    """The content of a buffer as it was when this object was made.

    It keeps no array alive: a call with a generator of arrays would fill rank 0's memory.

    Parameters
    ----------
    buffer : memoryview
        The buffer, contiguous.
    keeps_unowned : bool
        Whether a buffer without an array that owns it is kept alive.

    Attributes
    ----------
    key : bytes
        The hash of the content, equal for equal contents in this process.
    comes_again : bool
        Whether it is known that several tasks of the call have it.
    """

    def __init__(self, buffer: memoryview, keeps_unowned: bool = False) -> None:
        super().__init__(buffer)
        owner = owner_of(buffer)
        self._owner = None if owner is None else weakref.ref(owner)
        self._kept = np.frombuffer(buffer, np.uint8) if owner is None and keeps_unowned else None
        self._hashes = _hashes_of(np.frombuffer(buffer, np.uint8))
        self.key = self._hashes[0] if len(self._hashes) == 1 else _core.content_hash(b"".join(self._hashes))
        self.comes_again = False
        self._next_block = 0

    def owner(self) -> np.ndarray | None:
        """Return the array that owns this memory, or None if it is gone or not known."""
        return self._kept if self._owner is None else self._owner()

    def is_alive(self) -> bool:
        """Return whether the array still owns this memory; False if that cannot be known."""
        return self.owner() is not None

    def is_of(self, buffer: memoryview) -> bool:
        """Return whether a buffer at the same addresses is still the memory of which this was made."""
        return self._kept is not None or self.owner() is owner_of(buffer) is not None

    def whole(self) -> memoryview:
        """Return the bytes as they are now; only while `is_alive`."""
        return memoryview(self._bytes())

    def has_changed(self, begin: int | None = None, end: int | None = None) -> bool:
        """Return whether the content is another one now; only while `is_alive`.

        Parameters
        ----------
        begin, end : int, optional
            The addresses between which it is compared, in whole blocks; by default all of it.
        """
        first = 0 if begin is None else (begin - self.begin) // BLOCK_BYTES
        after = len(self._hashes) if end is None else -(-(end - self.begin) // BLOCK_BYTES)
        memory = self._bytes()
        return any(self._block_has_changed(memory, block) for block in range(first, after))

    def glance(self) -> bool:
        """Return whether one block has changed, each time the next one; only while `is_alive`."""
        block = self._next_block
        self._next_block = (block + 1) % len(self._hashes)
        return self._block_has_changed(self._bytes(), block)

    def _bytes(self) -> np.ndarray:
        owner = self.owner()
        assert owner is not None
        memory = flat_bytes(owner)
        offset = self.begin - memory.__array_interface__["data"][0]
        return memory[offset : offset + self.end - self.begin]

    def _block_has_changed(self, memory: np.ndarray, block: int) -> bool:
        content = memory[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
        return _core.content_hash(content) != self._hashes[block]


def _hashes_of(memory: np.ndarray) -> list[bytes]:
    return [
        _core.content_hash(memory[begin : begin + BLOCK_BYTES]) for begin in range(0, max(memory.size, 1), BLOCK_BYTES)
    ]


def owner_of(buffer: memoryview) -> np.ndarray | None:
    """Return the array that owns a buffer's memory, or None if that is not known or has gaps."""
    # Views are often made for one task; the array that they are views of stays.
    begin = address_of(buffer)
    owner: np.ndarray | None = None
    for value in owners_of(buffer.obj):
        if isinstance(value, np.ndarray):
            owner = value
    if owner is None or not (owner.flags.c_contiguous or owner.flags.f_contiguous):
        return None
    owned = address_of_array(owner)
    return owner if owned <= begin and begin + buffer.nbytes <= owned + owner.nbytes else None
