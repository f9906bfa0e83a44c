"""The context in which an executor runs tasks: joblib's nested backend, what the script has changed, thread limits."""

import multiprocessing
import os
import pickle
from collections.abc import Mapping
from contextlib import ExitStack

import joblib

from joblib_mpi import thread_limits
from joblib_mpi.executor.script_follower import ScriptFollower
from joblib_mpi.executor.shipped_modules import ShippedModules
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
    modules : ShippedModules
        Lets the process import what the script has sent along.
    """

    def __init__(self, follower: ScriptFollower, modules: ShippedModules) -> None:
        self._follower = follower
        self._modules = modules
        self._undo = ExitStack()
        self._script = b""
        self._initializer: bytes | None = None
        self._own = {variable: os.environ.get(variable) for variable in thread_limits.VARIABLES}

    def enter(self, context: TaskContext) -> None:
        """Leave the context that was entered last, and enter ``context``."""
        self._undo.close()
        config = joblib.parallel_config(backend=context.nested_backend, n_jobs=context.nested_n_jobs)
        self._undo.callback(config.unregister)
        self._undo.callback(_set_authkey, multiprocessing.current_process().authkey)
        _set_authkey(context.authkey)
        self._follow(context.script)
        self._undo.callback(self._modules.leave)
        self._modules.enter(context.shipped)
        limit = context.inner_max_num_threads
        if limit is not None:
            # The variables are for libraries that a task will load; for those loaded already there is threadpoolctl.
            self._undo.callback(_set_variables, {name: os.environ.get(name) for name in thread_limits.VARIABLES})
            os.environ.update(dict.fromkeys(thread_limits.VARIABLES, str(limit)))
            self._limit_threads({"openmp": limit, "blas": limit})
        elif limits := self._limits_of_the_script():
            self._limit_threads(limits)
        if context.initializer is not None and context.initializer != self._initializer:
            function, arguments = pickle.loads(context.initializer)
            function(*arguments)
            self._initializer = context.initializer

    def leave(self) -> None:
        """Restore what held before a context was entered. Does nothing if none has been entered."""
        self._undo.close()
        self._follow(b"")
        self._modules.remove()

    def _follow(self, script: bytes) -> None:
        if script != self._script:
            self._follower.follow(script)
            self._script = script

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

    def _limit_threads(self, limits: dict[str, int]) -> None:
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:
            return
        self._undo.callback(threadpool_limits(limits=limits).restore_original_limits)


def _set_authkey(key: bytes) -> None:
    multiprocessing.current_process().authkey = key


def _set_variables(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
