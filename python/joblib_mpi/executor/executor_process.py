"""A process that runs tasks: forked with everything imported, beside a worker rank but without MPI."""

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

from joblib_mpi import _core
from joblib_mpi.executor.task_runner import TaskRunner, flush_output, serve_tasks
from joblib_mpi.program import status_of

# A child that inherits these takes itself for the rank, and waits for ever in an MPI_Init of its own.
_LAUNCHER_VARIABLES = ("OMPI_", "PMIX_", "PMI_", "SLURM_STEP_NUM_TASKS", "MPI_LOCALNRANKS")
_KEPT_VARIABLES = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")


def fork_zygote(preload: Iterable[str]) -> _core.Zygote | _core.ExecutorPort:
    """Fork the process that forks this rank's executors; before MPI is initialised and before there are threads.

    Returns the zygote in the rank, and in each executor process its port, for `run`.

    Raises
    ------
    SessionError
        A module cannot be imported, or the process cannot be forked.
    """

    def prepare() -> None:
        forget_launcher()
        import_modules(preload)

    return _core.fork_zygote(prepare)


def forget_launcher() -> None:
    """Let programs that this process starts have an MPI of their own."""
    for variable in [name for name in os.environ if name.startswith(_LAUNCHER_VARIABLES)]:
        if variable not in _KEPT_VARIABLES:
            del os.environ[variable]


def import_modules(names: Iterable[str]) -> None:
    """Import modules; raises `SessionError` that names the one that cannot be."""
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:
            raise _core.SessionError(
                f'the module "{name}" cannot be preloaded: {type(error).__name__}: {error}'
            ) from error


def run(port: _core.ExecutorPort) -> NoReturn:
    """Run tasks until the rank has no more, and end the process: it must not go on with the rank's program."""
    status = 1
    try:
        with suppress(Exception):  # stderr is no file: there is nothing to write a crash's traceback to
            faulthandler.enable()
        _reseed()
        serve_tasks(port, TaskRunner(port, exits_with_task=True))
        status = 0
    except SystemExit as error:
        status = status_of(error)
    except BaseException:
        traceback.print_exc()
    # As the children of multiprocessing end: the exit handlers of the rank's program are not this process's to run.
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading._shutdown()  # type: ignore[attr-defined] # first, as Python itself does: pools of processes end before what they share goes
        _finalise_own_mpi()
        multiprocessing.util._exit_function()  # type: ignore[attr-defined]
    except BaseException:
        traceback.print_exc()
    flush_output()
    os._exit(status & 0xFF)


def _finalise_own_mpi() -> None:
    # That of a task which has imported mpi4py. mpi4py does it when Python ends, which it does not here.
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized():
        mpi.Finalize()


def _reseed() -> None:
    # Python reseeds `random` after each fork. Without this, each executor would begin with the same numbers.
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
