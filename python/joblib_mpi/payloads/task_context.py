"""The context of a task besides its arguments: nested backend, thread limits, and what the script has changed."""

import multiprocessing
from typing import Any, NamedTuple

from joblib_mpi.payloads.kept_functions import LEAST_KEPT_BYTES


class ShippedModule(NamedTuple):
    """A module that is sent along with a call.

    Parameters
    ----------
    name : str
        The name under which it is imported.
    digest : bytes
        The hash of its files.
    object_id : int
        The shared object that has its files, in a zip archive.
    """

    name: str
    digest: bytes
    object_id: int


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
    script : bytes
        What the script has changed in its process, from `ScriptState.packed`.
    authkey : bytes
        The caller's multiprocessing key, which proxies of its managers need.
    initializer : bytes or None
        A function and its arguments, pickled; an executor calls it before its first task with this initializer.
    shipped : tuple of ShippedModule
        Modules that the executor imports from what the program has sent.
    kept_function_bytes : int
        The bytes of functions that the executor may keep unpickled.
    """

    nested_backend: Any
    nested_n_jobs: int | None
    inner_max_num_threads: int | None
    script: bytes
    authkey: bytes
    initializer: bytes | None = None
    shipped: tuple[ShippedModule, ...] = ()
    kept_function_bytes: int = LEAST_KEPT_BYTES


def authkey() -> bytes:
    """Return this process's multiprocessing key."""
    return bytes(multiprocessing.current_process().authkey)
