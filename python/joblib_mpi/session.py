"""This process's one session: start it, find it, end it with the program."""

import atexit
import os
import platform
import sys
import threading
from types import TracebackType

import cloudpickle

from joblib_mpi import _core
from joblib_mpi.dispatcher import Dispatcher

_NO_SESSION = (
    "this process has no MPI session. Start the program with "
    '"mpirun -n N python -m joblib_mpi script.py", or call joblib_mpi.init() first in a program that is started with '
    '"mpirun -n N python script.py".'
)

# Children that inherit these wait for ever in an MPI_Init of their own.
_LAUNCHER_VARIABLES = ("OMPI_", "PMIX_", "PMI_")
_KEPT_VARIABLES = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")


class Session:
    """This process's part in the job.

    Parameters
    ----------
    core : _core.Session
        The compiled part, already started.

    Attributes
    ----------
    status : int
        The exit status that the worker ranks get when the session closes.
    memory_limit : int or None
        Bytes for each executor, where a call does not say otherwise.
    """

    def __init__(self, core: _core.Session) -> None:
        self.core = core
        self.status = 0
        self.memory_limit: int | None = None
        self.is_worker = core.rank != 0
        self._dispatcher: Dispatcher | None = None
        self._dispatcher_lock = threading.Lock()
        self._pid = os.getpid()
        self._closed = False

    @property
    def is_mine(self) -> bool:
        """Whether this process may use the session: it is open, and this is not a forked child."""
        return not self._closed and os.getpid() == self._pid

    @property
    def dispatcher(self) -> Dispatcher:
        """Rank 0's service thread, started on first use."""
        with self._dispatcher_lock:
            if self._dispatcher is None:
                self._dispatcher = Dispatcher(self.core)
            return self._dispatcher

    def close(self) -> None:
        """End rank 0's session and thereby the job. Idempotent; does nothing on worker ranks."""
        if self.is_worker or not self.is_mine:
            return
        self._closed = True
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
        if self._dispatcher is not None:
            self._dispatcher.stop()
        self.core.close(self.status & 0xFF)


_session: Session | None = None


def identity() -> str:
    """Return what must be the same on all ranks for their pickles to be understood."""
    return f"joblib-mpi {_core.__version__}, Python {platform.python_version()}, cloudpickle {cloudpickle.__version__}"


def current() -> Session | None:
    """Return the session that this process may use, or None."""
    return _session if _session is not None and _session.is_mine else None


def require() -> Session:
    """Return the session; raises `SessionError` with the way to start one."""
    session = current()
    if session is None:
        raise _core.SessionError(_NO_SESSION)
    return session


def adopt(core: _core.Session) -> Session:
    """Make ``core`` the core of this process's session, which closes when the process ends."""
    global _session
    _session = Session(core)
    atexit.register(_session.close)
    return _session


def start() -> Session:
    """Start the session, with all ranks of the job; raises `SessionError` if it cannot be."""
    if _session is not None:
        return require()
    session = adopt(_core.Session(identity()))
    for variable in [name for name in os.environ if name.startswith(_LAUNCHER_VARIABLES)]:
        if variable not in _KEPT_VARIABLES:
            del os.environ[variable]
    return session


def init() -> None:
    """Start the session in a program that runs on all ranks; only rank 0 goes on.

    The other ranks run tasks until rank 0 ends and then leave by SystemExit. Further calls do nothing. Call it before
    any work that only rank 0 should do, on all ranks. Not needed under ``python -m joblib_mpi``.

    Raises
    ------
    SessionError
        The ranks cannot form a session; the text says why and what to do.
    """
    if current() is not None:
        return
    session = start()
    if session.is_worker:
        from joblib_mpi.worker import serve

        sys.exit(serve(session.core))
    _fail_workers_with(session)


def _fail_workers_with(session: Session) -> None:
    report = sys.excepthook

    def report_and_note_status(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        session.status = 130 if issubclass(kind, KeyboardInterrupt) else 1
        report(kind, error, traceback)

    sys.excepthook = report_and_note_status
