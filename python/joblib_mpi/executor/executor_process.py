"""An executor process, which runs tasks: forked beside a worker rank, with its modules imported and without MPI."""

import faulthandler
import importlib
import multiprocessing.util
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

from joblib_mpi import _core, worker_identity
from joblib_mpi.executor.task_runner import TaskRunner, flush_output, serve_tasks
from joblib_mpi.launcher_environment import forget_launcher
from joblib_mpi.program import status_of
from joblib_mpi.worker_identity import Worker


def fork_zygote(preload: Iterable[str]) -> _core.Zygote | _core.ExecutorPort:
    """Fork the process that forks this rank's executors. Call this before MPI is initialised and without threads.

    Parameters
    ----------
    preload : iterable of str
        Modules that the process imports, so that every executor has them.

    Returns
    -------
    _core.Zygote or _core.ExecutorPort
        The zygote in the rank; in each executor process its port, for `run`.

    Raises
    ------
    SessionError
        A module cannot be imported, or the process cannot be forked.
    """
    worker = worker_identity.launched_worker()
    worker_identity.expect_announcement(worker)

    def prepare() -> None:
        become_zygote_of(worker)
        import_modules(preload)

    return _core.fork_zygote(prepare)


def become_zygote_of(worker: Worker) -> None:
    """Let this process, and the executors that it will fork, know ``worker`` as theirs, and be no rank."""
    worker_identity.become(worker)
    forget_launcher()
    os.environ[worker_identity.TASK_VARIABLE] = "1"


def import_modules(names: Iterable[str]) -> None:
    """Import modules; raises `SessionError` with the name of a module that cannot be imported."""
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            raise _core.SessionError(
                f'the module "{name}" cannot be preloaded: {type(error).__name__}: {error}'
            ) from error


def run(port: _core.ExecutorPort) -> NoReturn:
    """Run tasks until the rank has no more, and end the process, which must not go on with the rank's program."""
    status = 1
    try:
        with suppress(Exception):  # where stderr is no file, a crash leaves no traceback
            faulthandler.enable()
        _reseed()
        serve_tasks(port, TaskRunner(port))
        status = 0
    except SystemExit as error:
        status = status_of(error)
    except BaseException:
        traceback.print_exc()
    # End as a child of multiprocessing does, without the exit handlers of the rank's program.
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # First, as in Python itself: pools of processes end before the memory that they share is freed.
        threading._shutdown()  # type: ignore[attr-defined]
        _finalise_own_mpi()
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]
    except BaseException:
        traceback.print_exc()
    flush_output()
    os._exit(status & 0xFF)


def _finalise_own_mpi() -> None:
    # A task may have imported mpi4py, which finalises MPI at the end of Python; this process skips that end.
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
        mpi.Finalize()


def _reseed() -> None:
    # Python reseeds `random` after a fork, but not numpy: all executors would draw the same numbers.
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
