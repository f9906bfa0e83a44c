"""The context of a task besides its arguments: nested backend, warning filters, thread limits."""

import multiprocessing
import warnings
from typing import Any, NamedTuple

from joblib_mpi.payloads.pickling import Pickler


class TaskContext(NamedTuple):
    """The context of the tasks of one call.

    Parameters
    ----------
    nested_backend : joblib.parallel.ParallelBackendBase
        The backend that ``Parallel`` uses inside the task.
    nested_n_jobs : int or None
        The default ``n_jobs`` of this backend.
    inner_max_num_threads : int or None
        The limit for thread pools of numeric libraries; None leaves the worker's limit.
    warning_filters : bytes or None
        The ``warnings.filters`` of the caller, pickled separately because the worker may lack a category's module.
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
