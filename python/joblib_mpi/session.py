"""The session of this process: how it is started, found, and ended with the program."""

import atexit
import os
import platform
import signal
import sys
import threading
import weakref
from collections.abc import Sequence
from types import ModuleType, TracebackType
from typing import Any

import cloudpickle

from joblib_mpi import _core, launcher_terminal, thread_limits, worker_identity
from joblib_mpi.calls.dispatcher import Dispatcher
from joblib_mpi.calls.option_checks import memory_bytes
from joblib_mpi.checkpoint import checkpoint_signals
from joblib_mpi.coordinator import Coordinator
from joblib_mpi.executor.executor_process import forget_launcher, fork_zygote, import_modules
from joblib_mpi.executor.executor_process import run as run_executor
from joblib_mpi.executor.task_runner import TaskRunner, serve_tasks
from joblib_mpi.payloads.script_state import ScriptState
from joblib_mpi.sharing.scatter_handle import SharedObject
from joblib_mpi.sharing.shared_buffers import SharedBuffers
from joblib_mpi.start_options import StartOptions, from_environment, missing_module
from joblib_mpi.worker_identity import Worker

_NO_SESSION = (
    "this process has no MPI session. Start the program with "
    '"mpirun -n N python -m joblib_mpi script.py", or call joblib_mpi.init() first in a program that is started with '
    '"mpirun -n N python script.py".'
)

_ALREADY_INITIALIZED = (
    'isolation="process" was asked for, but the program has initialised MPI already (importing mpi4py.MPI does), and '
    "executor processes must be forked before that. Call joblib_mpi.init() before the import, or ask for "
    'isolation="none".'
)

_NO_EXECUTORS = (
    "memory_limit is for executor processes, but this session runs tasks in the ranks themselves (isolation none)"
)


class Session:
    """The part of this process in the MPI job.

    Parameters
    ----------
    core : _mpi.CoordinatorSession, _mpi.WorkerSession or _core.ExecutorPort
        The compiled part, already started.
    isolation : {"process", "none"}
        The place where tasks run: executor processes beside the worker ranks, or the ranks themselves.

    Attributes
    ----------
    status : int
        The exit status that the worker ranks get when the session closes.
    memory_limit : int or None
        The private memory of each executor in bytes, unless a call has a limit.
    handles : weakref.WeakSet of SharedObject
        The handles that `joblib_mpi.scatter` has made.
    script : ScriptState
        What the program has changed in its process since the session started.
    """

    def __init__(self, core: Any, isolation: str = "process") -> None:
        self.core = core
        self.isolation = isolation
        self.status = 0
        self.memory_limit: int | None = None
        self.is_worker = isinstance(core, _core.ExecutorPort) or core.rank != 0
        self.handles: weakref.WeakSet[SharedObject] = weakref.WeakSet()
        self.script = ScriptState()
        self._dispatcher: Dispatcher | None = None
        self._shared: SharedBuffers | None = None
        self._lock = threading.Lock()  # of the two above
        self._pid = os.getpid()
        self._closed = False

    @property
    def is_mine(self) -> bool:
        """True if this process may use the session: it is open, and this process is not a forked child."""
        return not self._closed and os.getpid() == self._pid

    @property
    def dispatcher(self) -> Dispatcher:
        """Rank 0's dispatcher, whose service thread starts on first use."""
        with self._lock:
            if self._dispatcher is None:
                self._dispatcher = Dispatcher(self.core)
            return self._dispatcher

    @property
    def shared(self) -> SharedBuffers:
        """The contents that the nodes share, as rank 0 knows them; made on first use."""
        with self._lock:
            if self._shared is None:
                self._shared = _shared_buffers(self.core)
            return self._shared

    def serve(self) -> int:
        """Work on a worker rank until rank 0 closes the session, and return the exit status. Main thread only."""
        if self.isolation == "none":
            worker_identity.become(worker_identity.worker_of(self.core))
            return serve_tasks(self.core, TaskRunner(self.core)) or 0
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for rank 0
        status: int = self.core.wait_until_closed()
        return status

    def close(self) -> None:
        """End rank 0's session and with it the job. Does nothing on worker ranks, or if the session has ended."""
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
    """Return the versions that must be equal on all ranks, because pickles depend on them."""
    return f"joblib-mpi {_core.__version__}, Python {platform.python_version()}, cloudpickle {cloudpickle.__version__}"


def current() -> Session | None:
    """Return the session that this process may use, or None."""
    return _session if _session is not None and _session.is_mine else None


def require() -> Session:
    """Return the session; raises `SessionError`, which says how to start one, if there is none."""
    session = current()
    if session is None:
        raise _core.SessionError(_NO_SESSION)
    return session


def worker() -> Worker:
    """Return the place in the job where the caller, a task or the program, runs.

    A task can use its numbers to choose a device or a port. All tasks of one worker get the same numbers, and so does a
    process that a task has forked.

    Returns
    -------
    Worker
        Has the members ``rank``, ``local_rank``, ``host`` and ``index``.

    Raises
    ------
    SessionError
        This process belongs to no MPI session.
    """
    return worker_identity.this_worker() or worker_identity.worker_of(require().core)


def start(options: StartOptions) -> Session:
    """Start the session together with all ranks of the job; raises `SessionError` if that fails.

    The executor processes that this function forks do not return from it.
    """
    global _session
    if _session is not None:
        return require()
    compiled = _compiled_with_mpi()
    isolation = _possible_isolation(options, is_mpi_initialized=compiled.mpi_is_initialized())
    if isolation == "none" and options.memory_limit is not None:
        raise _core.SessionError(_NO_EXECUTORS)
    is_worker = thread_limits.launched_rank() != 0  # None, if the launcher does not say, may be one
    if is_worker:
        checkpoint_signals.ignore_in_workers()
    zygote = None
    if isolation == "process" and is_worker:
        forked = fork_zygote(options.preload)
        if isinstance(forked, _core.ExecutorPort):
            _session = Session(forked)
            run_executor(forked)
        zygote = forked
    elif is_worker:
        import_modules(options.preload)
    _session = Session(compiled.start_session(identity(), zygote), isolation)
    _session.memory_limit = options.memory_limit
    if zygote is not None:
        worker_identity.announce(_session.core)
    if is_worker and not _session.is_worker:
        checkpoint_signals.heed_in_rank_0()
    if not _session.is_worker:
        launcher_terminal.follow_launcher()
    atexit.register(_session.close)
    forget_launcher()
    return _session


def _shared_buffers(core: Coordinator) -> SharedBuffers:
    limit, kept_limit = (
        memory_bytes(os.environ.get(name), name) for name in ("JOBLIB_MPI_SHARED_LIMIT", "JOBLIB_MPI_KEPT_LIMIT")
    )
    room = _core.memory_room()
    return SharedBuffers(
        core,
        room // 2 if limit is None else limit,
        room // 10 if kept_limit is None else kept_limit,
        limits_scattered=limit is not None,
        room=lambda: min(_core.memory_room(), core.room_elsewhere()),
    )


def _compiled_with_mpi() -> ModuleType:
    """Return the part of the package that loads MPI, as only a rank needs it."""
    try:
        from joblib_mpi import _mpi
    except ImportError as error:  # a library is missing, perhaps on this rank only
        error.add_note(thread_limits.missing_library_hint())
        raise
    return _mpi


def _possible_isolation(options: StartOptions, *, is_mpi_initialized: bool) -> str:
    if not is_mpi_initialized:
        return options.isolation or "process"
    if options.isolation == "process":
        raise _core.SessionError(_ALREADY_INITIALIZED)
    return "none"


def init(
    *,
    isolation: str | None = None,
    preload: Sequence[str] | None = None,
    memory_limit: int | str | None = None,
) -> None:
    """Start the session in a program that runs on all ranks; only rank 0 goes on.

    The other ranks run tasks until rank 0 ends, and then leave by SystemExit. Call this function on all ranks, before
    any work that only rank 0 should do and before MPI is initialised (importing ``mpi4py.MPI`` initialises it). Further
    calls do nothing. Under ``python -m joblib_mpi``, which has these arguments as options, no call is needed.

    Parameters
    ----------
    isolation : {"process", "none"}, optional
        The place where tasks run: executor processes beside the worker ranks, which may crash, be killed or be limited
        without harm to the rank, or the ranks themselves. By default the environment variable JOBLIB_MPI_ISOLATION,
        else "process", unless the program has initialised MPI before.
    preload : list of str, optional
        Modules that each worker imports once, for all its executors. By default the environment variable
        JOBLIB_MPI_PRELOAD, with commas between the names.
    memory_limit : int or str, optional
        The private memory of one executor, unless a call has a limit: bytes, or a text such as "500MB" or "2GiB". By
        default the environment variable JOBLIB_MPI_MEMORY_LIMIT, else no limit.

    Raises
    ------
    SessionError
        The ranks cannot form a session; the text says why and what to do.
    TypeError
        An argument has the wrong type.
    ValueError
        An argument or an environment variable is out of range; the text has its value and says what is allowed.
    """
    if current() is not None:
        return
    options = from_environment().updated(isolation, preload, memory_limit)
    missing = missing_module(options.preload)
    if missing is not None:
        raise _core.SessionError(missing)
    session = start(options)
    if session.is_worker:
        sys.exit(session.serve())
    _fail_workers_with(session)


def _fail_workers_with(session: Session) -> None:
    report = sys.excepthook

    def report_and_note_status(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        session.status = 130 if issubclass(kind, KeyboardInterrupt) else 1
        report(kind, error, traceback)

    sys.excepthook = report_and_note_status
