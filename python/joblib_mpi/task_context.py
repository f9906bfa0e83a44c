"""What a task finds around it on its worker, besides its arguments: nested backend, warning filters, thread limits."""

import multiprocessing
import os
import pickle
import warnings
from typing import Any, NamedTuple

import joblib

from joblib_mpi import thread_limits
from joblib_mpi.pickling import Pickler


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


class ContextKeeper:
    """Keeps a worker's thread in the context of the last task, because most tasks have the same one."""

    def __init__(self) -> None:
        self._parallel_config: joblib.parallel_config | None = None
        self._threads: Any = None

    def enter(self, context: TaskContext) -> None:
        """Leave the former context and enter ``context``."""
        if self._parallel_config is not None:
            self._parallel_config.unregister()
        self._parallel_config = joblib.parallel_config(backend=context.nested_backend, n_jobs=context.nested_n_jobs)
        _apply_warning_filters(context.warning_filters)
        multiprocessing.current_process().authkey = context.authkey
        self._limit_threads(context.inner_max_num_threads)

    def _limit_threads(self, limit: int | None) -> None:
        if self._threads is not None:
            self._threads.restore_original_limits()
            self._threads = None
        if limit is None:
            return
        # For libraries that a task is going to load; those that are loaded already need threadpoolctl.
        os.environ.update(dict.fromkeys(thread_limits.VARIABLES, str(limit)))
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            return
        self._threads = threadpool_limits(limits=limit)


def _apply_warning_filters(pickled: bytes | None) -> None:
    if pickled is None:
        return
    try:
        filters = pickle.loads(pickled)
    except Exception:  # a category whose module is not on this rank; its absence is not the task's fault
        return
    warnings.resetwarnings()
    warnings.filters.extend(filters)
