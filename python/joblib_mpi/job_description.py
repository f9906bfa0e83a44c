"""The description of a job that rank 0 gives its clients."""

import pickle
from collections.abc import Mapping
from typing import NamedTuple


class JobDescription(NamedTuple):
    """Facts that clients have to know of a job beside its hosts.

    Parameters
    ----------
    isolation : {"process", "none"}
        The place where tasks run: executor processes beside the worker ranks, or the ranks themselves.
    memory_limit : int or None
        The private memory of each executor in bytes, unless a call has a limit.
    start : mapping of str to bytes
        What the workers' processes started with, as of `ScriptState.start_of_rank_0`.
    """

    isolation: str
    memory_limit: int | None
    start: Mapping[str, bytes]

    def packed(self) -> bytes:
        """Return the bytes from which `unpacked` makes this description."""
        return pickle.dumps(self._asdict())

    @classmethod
    def unpacked(cls, packed: bytes) -> "JobDescription":
        """Return the description that `packed` has made bytes of, in a job of the same version."""
        return cls(**pickle.loads(packed))
