"""joblib's options for large arrays, as this backend uses them."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple


class Sharing(NamedTuple):
    """The way in which one call shares the large arrays of its tasks.

    Parameters
    ----------
    threshold : float
        The size in bytes from which arrays are shared; infinite if none is.
    private : bool
        Whether each task may write to the arrays that it gets.
    """

    threshold: float = 2**20
    private: bool = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "Sharing":
        """Return the meaning of ``max_nbytes``, as a number from joblib, and ``mmap_mode``; raises ValueError."""
        max_nbytes = options.get("max_nbytes", 2**20)
        mmap_mode = options.get("mmap_mode", "r")
        if mmap_mode not in ("r", "r+", "w+", "c", None):
            raise ValueError(f'mmap_mode={mmap_mode!r}; allowed: "r", "r+", "w+", "c", None')
        if max_nbytes is not None and not max_nbytes >= 0:
            raise ValueError(f"max_nbytes={max_nbytes!r}; allowed: None, or a number of bytes such as 1000000 or '1M'")
        return cls(math.inf if max_nbytes is None else max_nbytes, mmap_mode != "r")
