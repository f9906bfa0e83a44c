"""A buffer that a call has used, and whether it is still what it was."""

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from joblib_mpi import _core
from joblib_mpi.sharing.regions import Region, flat_bytes

if TYPE_CHECKING:
    from joblib_mpi.sharing.shared_buffers import Content

#: Buffers of at most this size are compared as a whole each time that they are used again within a call. Chosen, not
#: measured: it takes some tenths of a millisecond.
WHOLE_COMPARISON_BYTES = 4 * 2**20

#: Longer buffers are compared at this many places of this many bytes.
_SAMPLES = 64
_SAMPLE_BYTES = 64


class UsedBuffer(Region):
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
