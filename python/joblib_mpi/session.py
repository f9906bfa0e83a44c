"""The session of this process: how it is started, found, and ended with the program."""

import atexit
import os
import platform
import signal
import sys
import threading
import weakref
from collections.abc import Mapping
from types import ModuleType, TracebackType
from typing import Any, NoReturn

import cloudpickle

from joblib_mpi import _core, launcher_terminal, thread_limits, worker_identity
from joblib_mpi.calls.dispatcher import Dispatcher
from joblib_mpi.calls.option_checks import memory_bytes
from joblib_mpi.checkpoint import checkpoint_signals
from joblib_mpi.coordinator import Coordinator
from joblib_mpi.executor.executor_process import fork_zygote, import_modules
from joblib_mpi.executor.executor_process import run as run_executor
from joblib_mpi.executor.task_runner import TaskRunner, serve_tasks
from joblib_mpi.job_description import JobDescription
from joblib_mpi.launcher_environment import forget_launcher
from joblib_mpi.local_job import LocalJob
from joblib_mpi.payloads.script_state import ScriptState
from joblib_mpi.serving.resumption import Resumption
from joblib_mpi.sharing.scatter_handle import SharedObject
from joblib_mpi.sharing.shared_buffers import SharedBuffers
from joblib_mpi.start_options import StartOptions
from joblib_mpi.worker_identity import Worker

#: What a process is told that has no session and cannot get one.
NO_SESSION = (
    "this process has no MPI session. Start the program with "
    '"mpirun -n N python -m joblib_mpi script.py", or call joblib_mpi.init() first in a program that is started with '
    '"mpirun -n N python script.py", or name a job that waits for clients with scheduler_host.'
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
    core : _mpi.CoordinatorSession, _mpi.WorkerSession, _core.ExecutorPort or _core.Client
        The compiled part, already started.
    isolation : {"process", "none"}
        The place where tasks run: executor processes beside the worker ranks, or the ranks themselves.
    start : mapping of str to bytes, optional
        For a client: what the workers started with, as for `ScriptState`.
    local_job : LocalJob, optional
        For a client: the job, if this process has started it; it ends with the session.

    Attributes
    ----------
    is_client : bool
        True if this process is no rank: its tasks go to a job that it is a client of.
    is_worker : bool
        True if this process runs tasks.
    socket : str
        The path at which a client has found its job, or the target of the `Route` on which it has.
    resumption : Resumption or None
        For a client that speaks through a relay: what makes its connection again.
    status : int
        The exit status that the worker ranks get when the session closes.
    memory_limit : int or None
        The private memory of each executor in bytes, unless a call has a limit.
    handles : weakref.WeakSet of SharedObject
        The handles that `joblib_mpi.scatter` has made.
    script : ScriptState
        What the program has changed in its process since the session started.
    """

    def __init__(
        self,
        core: Any,
        isolation: str = "process",
        start: Mapping[str, bytes] | None = None,
        local_job: LocalJob | None = None,
    ) -> None:
        self.core = core
        self.isolation = isolation
        self.local_job = local_job
        self.socket = ""
        self.resumption: Resumption | None = None
        self.status = 0
        self.memory_limit: int | None = None
        self.is_client = isinstance(core, _core.Client)
        self.is_worker = isinstance(core, _core.ExecutorPort) or (not self.is_client and core.rank != 0)
        self.handles: weakref.WeakSet[SharedObject] = weakref.WeakSet()
        self.script = ScriptState(start=start)
        self._dispatcher: Dispatcher | None = None
        self._shared: SharedBuffers | None = None
        self._lock = threading.Lock()  # of the two above
        self._pid = os.getpid()
        self._closed = False

    @property
    def is_mine(self) -> bool:
        """True if this process may use the session: it is open, and this process is not a forked child."""
        return not self._closed and not self.is_parents

    @property
    def is_parents(self) -> bool:
        """True if this process was forked from the one that started the session."""
        return os.getpid() != self._pid

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
                self._shared = _shared_buffers(self.core, self.is_client)
            return self._shared

    @property
    def is_gone(self) -> bool:
        """True if this process is a client whose job is gone."""
        return self.is_client and self.core.is_gone

    @property
    def has_calls(self) -> bool:
        """True if a call or a generator of this session has not ended."""
        return self._dispatcher is not None and bool(self._dispatcher.calls)

    def serve(self) -> int:
        """Work on a worker rank until rank 0 closes the session, and return the exit status. Main thread only."""
        if self.isolation == "none":
            os.environ[worker_identity.TASK_VARIABLE] = "1"
            worker_identity.become(worker_identity.worker_of(self.core))
            return serve_tasks(self.core, TaskRunner(self.core)) or 0
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for rank 0
        status: int = self.core.wait_until_closed()
        return status

    def description(self) -> bytes:
        """Return what clients of this job have to know; for rank 0."""
        return JobDescription(self.isolation, self.memory_limit, self.script.start_of_rank_0()).packed()

    def close(self) -> None:
        """End rank 0's session and with it the job, or leave the job as its client.

        Does nothing on worker ranks, or if the session has ended.
        """
        if self.is_worker or not self.is_mine:
            return
        self._closed = True
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
        if self._dispatcher is not None:
            self._dispatcher.stop()
        if self.is_client:
            self.core.close()
            for what in (self.local_job, self.resumption):
                if what is not None:
                    what.end()
        else:
            self.core.close(self.status & 0xFF)


_session: Session | None = None


def identity() -> str:
    """Return the versions that must be equal on all ranks and in clients, because all pickles depend on them.

    Of Python's version, the code of functions depends on major and minor only. Versions of other modules count only
    for the tasks that use them.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    return f"joblib-mpi {_core.__version__}, Python {python}, cloudpickle {cloudpickle.__version__}"


def current() -> Session | None:
    """Return the session that this process may use, or None."""
    return _session if _session is not None and _session.is_mine else None


def explained(error: _core.SessionError) -> _core.SessionError:
    """Return ``error``, or what a program is told whose workers were started by itself and are gone."""
    session = current()
    if session is None or session.local_job is None or not session.is_gone:
        return error
    return _core.SessionError(
        f"the workers that this program has started are gone: {error}. What the ranks and their launcher have printed "
        "may say why. The next call starts new ones"
    )


def adopt(session: Session) -> Session:
    """Make ``session`` the one that this process uses, until it ends or another one is adopted, and return it."""
    global _session
    _session = session
    atexit.register(session.close)
    return session


def parents() -> Session | None:
    """Return the session of the process from which this one was forked, or None."""
    return _session if _session is not None and _session.is_parents else None


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
    this = worker_identity.this_worker()
    if this is not None:
        return this
    session = current()
    if session is None:
        raise _core.SessionError(NO_SESSION)
    if session.is_client:
        raise _core.SessionError("this program is a client of its MPI job: it is no rank, and only its tasks have one")
    return worker_identity.worker_of(session.core)


def start(options: StartOptions) -> Session:
    """Start the session together with all ranks of the job; raises `SessionError` if that fails.

    The executor processes that this function forks do not return from it.
    """
    global _session
    if _session is not None:
        return _session
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
            run_tasks_of(forked)
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
    forget_launcher()
    return adopt(_session)


def run_tasks_of(port: _core.ExecutorPort) -> NoReturn:
    """Run the tasks of a worker rank in this process, one of its executors, until there are none, and end it."""
    global _session
    _session = Session(port)
    run_executor(port)


def _shared_buffers(core: Coordinator, is_client: bool) -> SharedBuffers:
    limit, kept_limit = (
        memory_bytes(os.environ.get(name), name) for name in ("JOBLIB_MPI_SHARED_LIMIT", "JOBLIB_MPI_KEPT_LIMIT")
    )

    def room_left() -> int:  # the objects of a client lie with the job, which may be on another machine
        return core.room_elsewhere() if is_client else min(_core.memory_room(), core.room_elsewhere())

    room = room_left() if is_client else _core.memory_room()
    return SharedBuffers(
        core,
        room // 2 if limit is None else limit,
        room // 10 if kept_limit is None else kept_limit,
        limits_scattered=limit is not None,
        room=room_left,
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


def fail_workers_with(session: Session) -> None:
    """Have the worker ranks end with a status that tells of it if rank 0's program ends by an exception."""
    report = sys.excepthook

    def report_and_note_status(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        session.status = 130 if issubclass(kind, KeyboardInterrupt) else 1
        report(kind, error, traceback)

    sys.excepthook = report_and_note_status
