"""What a task finds around it on its worker, besides its arguments: nested backend, warning filters, thread limits."""

import multiprocessing
import warnings
from typing import Any, NamedTuple

from joblib_mpi.payloads.pickling import Pickler


class TaskContext(NamedTuple):
    """The surroundings of the tasks of one call.

    Parameters
    ----------
    nested_backend : joblib.parallel.ParallelBackendBase
        What ``Parallel`` uses inside the task.
    nested_n_jobs : int or None
        Its default ``n_jobs``.
    inner_max_num_threads : int or None
        The limit for thread pools of numeric libraries, None for the worker's own.
    warning_filters : bytes or None
        The pickled ``warnings.filters`` of the caller, apart because the worker may lack a category's module.
    authkey : bytes
        The caller's multiprocessing key, which proxies of its managers need.
    """

    nested_backend: Any
    nested_n_jobs: int | None
    inner_max_num_threads: int | None
    warning_filters: bytes | None
    authkey: bytes


def pickled_warning_filters() -> bytes | None:
    """Return this process's warning filters, or None if they cannot be pickled."""
    try:
        return Pickler().dumps(list(warnings.filters), in_band=True)[0]
    except Exception:
        return None


def authkey() -> bytes:
    """Return this process's multiprocessing key."""
    return bytes(multiprocessing.current_process().authkey)
