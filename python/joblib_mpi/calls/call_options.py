"""How a call wants its tasks to be treated: retries, limits, and what becomes of their errors."""

import functools
import math
import operator
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

#: Largest number of retries: what fits the core's counter with room to spare.
MOST_RETRIES = 1_000_000

_UNITS = dict(B=1, KB=10**3, MB=10**6, GB=10**9, TB=10**12, KIB=2**10, MIB=2**20, GIB=2**30, TIB=2**40)  # noqa: C408


class CallOptions(NamedTuple):
    """The options of one call of ``Parallel``, checked.

    Parameters
    ----------
    retries : int
        More attempts after one whose executor was lost or that took longer than ``task_timeout``.
    retry_exceptions : bool
        Whether a task that raised gets them, too.
    task_timeout : float or None
        Seconds for each attempt of each task.
    on_error : {"raise", "return"}
        Whether a failed task ends the call or leaves its exception in the list of results.
    memory_limit : int or None
        Bytes for the executor that runs a task.
    checkpoint : str or None
        The file that keeps results.
    spill_threshold, memory_budget : int or None
        Bytes of one result, and of all that rank 0 holds, over which results go to files.
    spill_dir : str or None
        Where these files are.
    keep_spill : bool or None
        Whether they stay.
    spill_compression : str or None
        How they are compressed.
    """

    retries: int = 2
    retry_exceptions: bool = False
    task_timeout: float | None = None
    on_error: str = "raise"
    memory_limit: int | None = None
    checkpoint: str | None = None
    spill_threshold: int | None = None
    memory_budget: int | None = None
    spill_dir: str | None = None
    keep_spill: bool | None = None
    spill_compression: str | None = None

    @property
    def need_single_tasks(self) -> bool:
        """Whether each task must succeed, fail, be timed and kept alone, whatever batch joblib puts it in."""
        return self.on_error == "return" or self.task_timeout is not None or self.checkpoint is not None

    @property
    def need_a_worker(self) -> bool:
        """Whether running a task inline, as joblib does with ``n_jobs=1``, would ignore them."""
        return self.need_single_tasks or self.memory_limit is not None or self.retry_exceptions

    def updated(self, options: Mapping[str, Any]) -> "CallOptions":
        """Return these options with ``options`` in their place, after checking them.

        Raises
        ------
        TypeError
            An option is not of its type.
        ValueError
            It is, and out of range. Either text has the value and what is allowed.
        """
        return self._replace(**{name: _CHECKS[name](options[name]) for name in options})


def memory_bytes(limit: Any, name: str = "memory_limit") -> int | None:
    """Return a memory limit in bytes; ``limit`` is None, a number of bytes or a text such as "500MB" or "2GiB"."""
    if limit is None:
        return None
    allowed = f'{name}={limit!r} is no amount of memory; allowed: None, a number of bytes above 0, "500MB", "2GiB"'
    if isinstance(limit, str):
        parts = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*", limit, re.ASCII)
        if parts is None or (parts[2] or "B").upper() not in _UNITS:
            raise ValueError(allowed)
        limit = int(float(parts[1]) * _UNITS[(parts[2] or "B").upper()])
    elif isinstance(limit, bool) or not hasattr(type(limit), "__index__"):
        raise TypeError(allowed)
    if not 0 < operator.index(limit) < 2**63:
        raise ValueError(allowed)
    return operator.index(limit)


def _retries(value: Any) -> int:
    text = f"retries={value!r}; allowed: a whole number from 0 to {MOST_RETRIES}"
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(text)
    if not 0 <= operator.index(value) <= MOST_RETRIES:
        raise ValueError(text)
    return operator.index(value)


def _retry_exceptions(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"retry_exceptions={value!r}; allowed: True, False")
    return value


def _task_timeout(value: Any) -> float | None:
    if value is None:
        return None
    text = f"task_timeout={value!r}; allowed: None, or seconds above 0"
    try:
        seconds = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(text) from error
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds


def _on_error(value: Any) -> str:
    if value not in ("raise", "return"):
        raise ValueError(f'on_error={value!r}; allowed: "raise", "return"')
    return value


def _checkpoint(value: Any) -> str | None:
    if value is None:
        return None
    text = f'checkpoint={value!r}; allowed: None, or the path of a file such as "run.h5"'
    if not isinstance(value, str | os.PathLike):
        raise TypeError(text)
    path = os.fspath(value)
    if not isinstance(path, str):
        raise TypeError(text)
    if not path or path.endswith(os.sep):
        raise ValueError(text)
    return os.path.abspath(path)


def _spill_dir(value: Any) -> str | None:
    if value is None:
        return None
    text = f"spill_dir={value!r}; allowed: None, or the path of a folder that all nodes share"
    if not isinstance(value, str | os.PathLike) or not isinstance(path := os.fspath(value), str):
        raise TypeError(text)
    if not path:
        raise ValueError(text)
    return os.path.abspath(path)


def _keep_spill(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"keep_spill={value!r}; allowed: True, False, None")
    return value


def _spill_compression(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f'spill_compression={value!r}; allowed: None, "none", "gzip", "gzip:6"')
    return value


_CHECKS = {
    "retries": _retries,
    "retry_exceptions": _retry_exceptions,
    "task_timeout": _task_timeout,
    "on_error": _on_error,
    "memory_limit": memory_bytes,
    "checkpoint": _checkpoint,
    "spill_threshold": functools.partial(memory_bytes, name="spill_threshold"),
    "memory_budget": functools.partial(memory_bytes, name="memory_budget"),
    "spill_dir": _spill_dir,
    "keep_spill": _keep_spill,
    "spill_compression": _spill_compression,
}

#: The names of all options.
NAMES = tuple(_CHECKS)
