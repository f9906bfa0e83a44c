"""A buffer that a call has used, and whether it is still what it was."""

import weakref
from typing import TYPE_CHECKING

from joblib_mpi.sharing.hashed_memory import HashedMemory

if TYPE_CHECKING:
    from joblib_mpi.sharing.shared_buffers import Content


class UsedBuffer(HashedMemory):
    """A buffer with the content that the nodes have of it, if any.

    Parameters
    ----------
    buffer : memoryview
        The buffer, contiguous.
    """

    def __init__(self, buffer: memoryview) -> None:
        super().__init__(buffer)
        self.content: Content | None = None
        self._compared: weakref.WeakSet[HashedMemory] = weakref.WeakSet()

    def differs(self, begin: int, end: int, watched: HashedMemory | None) -> bool:
        """Return whether the bytes between two addresses are others than when this object was made.

        Parameters
        ----------
        begin, end : int
            The addresses.
        watched : HashedMemory, optional
            The memory between them, which has not changed since that object was made. So it is compared once.
        """
        if watched is not None and watched in self._compared:
            return False
        if watched is not None and (watched.begin, watched.end) == (self.begin, self.end):
            differs = watched.key != self.key
        else:
            differs = self.has_changed(begin, end)
        if watched is not None and not differs:
            self._compared.add(watched)
        return differs
