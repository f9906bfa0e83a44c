"""The context in which an executor runs tasks: joblib's nested backend, the script's state, thread limits."""

import multiprocessing
import os
import pickle
from typing import Any

import joblib

from joblib_mpi import thread_limits
from joblib_mpi.executor.script_follower import ScriptFollower
from joblib_mpi.payloads.task_context import TaskContext

#: The variables that the libraries of each kind, as threadpoolctl names them, have read when they were loaded.
_READ_BY = {
    "openmp": ("OMP_NUM_THREADS",),
    "blas": ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"),
}


class ContextKeeper:
    """Keeps the thread that runs tasks in the context of the last task, because most tasks have the same one.

    Parameters
    ----------
    follower : ScriptFollower
        Sets what the script has changed in its process.
    """

    def __init__(self, follower: ScriptFollower) -> None:
        self._follower = follower
        self._script = b""
        self._initializer: bytes | None = None
        self._parallel_config: joblib.parallel_config | None = None
        self._threads: Any = None
        self._own = {variable: os.environ.get(variable) for variable in thread_limits.VARIABLES}
        self._variables: dict[str, str | None] = {}  # those of thread limits, as they were before

    def enter(self, context: TaskContext) -> None:
        """Leave the context that was entered last, and enter ``context``."""
        if self._parallel_config is not None:
            self._parallel_config.unregister()
        self._parallel_config = joblib.parallel_config(backend=context.nested_backend, n_jobs=context.nested_n_jobs)
        multiprocessing.current_process().authkey = context.authkey
        self._lift_thread_limit()
        if context.script != self._script:
            self._follower.follow(context.script)
            self._script = context.script
        limit = context.inner_max_num_threads
        if limit is not None:
            self._set_variables(limit)
            self._limit_threads({"openmp": limit, "blas": limit})
        elif limits := self._limits_of_the_script():
            self._limit_threads(limits)
        if context.initializer is not None and context.initializer != self._initializer:
            function, arguments = pickle.loads(context.initializer)
            function(*arguments)
            self._initializer = context.initializer

    def _lift_thread_limit(self) -> None:
        if self._threads is not None:
            self._threads.restore_original_limits()
            self._threads = None
        for variable, value in self._variables.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value
        self._variables = {}

    def _limits_of_the_script(self) -> dict[str, int]:
        said = {
            name: value for name in thread_limits.VARIABLES if (value := os.environ.get(name)) != self._own.get(name)
        }
        return {
            kind: int(value)
            for kind, names in _READ_BY.items()
            for name in names
            if (value := said.get(name)) is not None and value.isdigit() and int(value) > 0
        }

    # The variables are for libraries that a task will load; for libraries loaded already there is threadpoolctl.

    def _set_variables(self, limit: int) -> None:
        self._variables = {variable: os.environ.get(variable) for variable in thread_limits.VARIABLES}
        os.environ.update(dict.fromkeys(thread_limits.VARIABLES, str(limit)))

    def _limit_threads(self, limits: dict[str, int]) -> None:
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            return
        self._threads = threadpool_limits(limits=limits)
