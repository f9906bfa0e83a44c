"""The context in which an executor runs tasks: joblib's nested backend, warning filters, thread limits."""

import multiprocessing
import os
import pickle
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import joblib

from joblib_mpi import thread_limits
from joblib_mpi.payloads.task_context import TaskContext


class ContextKeeper:
    """Keeps the thread that runs tasks in the context of the last task, because most tasks have the same one."""

    def __init__(self) -> None:
        self._undo = ExitStack()

    def enter(self, context: TaskContext) -> None:
        """Leave the context that was entered last, and enter ``context``."""
        self.leave()
        config = joblib.parallel_config(backend=context.nested_backend, n_jobs=context.nested_n_jobs)
        self._undo.callback(config.unregister)
        self._undo.callback(_set_warning_filters, list(warnings.filters))
        _apply_warning_filters(context.warning_filters)
        self._undo.callback(_set_authkey, multiprocessing.current_process().authkey)
        _set_authkey(context.authkey)
        if context.inner_max_num_threads is not None:
            self._limit_threads(context.inner_max_num_threads)

    def leave(self) -> None:
        """Restore what held before a context was entered. Does nothing if none has been entered."""
        self._undo.close()

    def _limit_threads(self, limit: int) -> None:
        # The variables are for libraries that a task will load; for libraries loaded already there is threadpoolctl.
        self._undo.callback(_set_variables, {name: os.environ.get(name) for name in thread_limits.VARIABLES})
        os.environ.update(dict.fromkeys(thread_limits.VARIABLES, str(limit)))
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            return
        self._undo.callback(threadpool_limits(limits=limit).restore_original_limits)


def _apply_warning_filters(pickled: bytes | None) -> None:
    if pickled is None:
        return
    try:
        filters = pickle.loads(pickled)
    except Exception:  # the module of a category is not installed on this rank, which is not the task's fault
        return
    _set_warning_filters(filters)


def _set_warning_filters(filters: list[Any]) -> None:
    warnings.resetwarnings()
    warnings.filters.extend(filters)  # type: ignore[attr-defined]


def _set_authkey(key: bytes) -> None:
    multiprocessing.current_process().authkey = key


def _set_variables(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
