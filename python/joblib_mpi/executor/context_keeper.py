"""The context in which an executor runs tasks: joblib's nested backend, warning filters, thread limits."""

import multiprocessing
import os
import pickle
import warnings
from typing import Any

import joblib

from joblib_mpi import thread_limits
from joblib_mpi.payloads.task_context import TaskContext


class ContextKeeper:
    """Keeps the thread that runs tasks in the context of the last task, because most tasks have the same one."""

    def __init__(self) -> None:
        self._parallel_config: joblib.parallel_config | None = None
        self._threads: Any = None

    def enter(self, context: TaskContext) -> None:
        """Leave the context that was entered last, and enter ``context``."""
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
        # The variables are for libraries that a task will load; for libraries loaded already there is threadpoolctl.
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
    except Exception:  # the module of a category is not installed on this rank, which is not the task's fault
        return
    warnings.resetwarnings()
    warnings.filters.extend(filters)  # type: ignore[attr-defined]
