"""The session that a process uses for its calls: as a rank of a job, or as a client of one that may be its own."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from joblib_mpi import _core, client_sessions
from joblib_mpi import session as sessions
from joblib_mpi.local_job import may_start
from joblib_mpi.serving.routes import route_to
from joblib_mpi.session import Session
from joblib_mpi.start_options import MissingModuleError, from_environment, missing_module

_FORKED = (
    "this process was forked from a client of an MPI job, whose connection is its parent's. Use another backend here, "
    "or name the job again with scheduler_host."
)

_NOT_A_CLIENT = (
    "{} is for programs that are no part of an MPI job, but this one runs on rank 0 of a job and uses its workers. "
    "Omit it, or start the program without MPI's launcher."
)

_lock = threading.RLock()
#: The number of workers of a program that says none, as for `cluster`.
_default_n_workers: int | None = None
#: The options of salloc for the ranks of a program, as for `LocalJob`.
_slurm_options: Sequence[str] | None = None


def require() -> Session:
    """Return the session of this process, after starting one if there is none.

    A process that JOBLIB_MPI_SCHEDULER_HOST tells of a job becomes its client. Any other process that is no rank starts
    ranks on this machine, or in its allocation, and becomes their client.

    Raises
    ------
    SessionError
        There can be none; the text says why and what to do.
    """
    session = sessions.current()
    if session is not None and not session.is_gone:
        return session
    with _lock:
        scheduler_host = from_environment().scheduler_host
        if scheduler_host is not None:
            return attach(scheduler_host)
        if session is not None and session.local_job is None:
            return session  # its calls say why the job is gone
        return start_workers(None if session is None or session.local_job is None else session.local_job.n_workers)


def join(
    scheduler_host: str | None = None,
    n_workers: int | None = None,
    scheduler_file: str | os.PathLike[str] | None = None,
) -> Session:
    """Return the session that a backend with these options uses; all as for `MpiBackend`.

    Raises
    ------
    SessionError
        There can be none; the text says why and what to do.
    TypeError
        ``n_workers`` is no integer, or one of the others is no text.
    ValueError
        ``n_workers`` is less than 1, ``scheduler_host`` has none of its forms, or more than one of them is given.
    """
    __tracebackhide__ = True
    try:
        return _join(scheduler_host, n_workers, scheduler_file)
    except (_core.SessionError, KeyboardInterrupt) as error:
        # Its text says all: in a notebook, the frames of the start would be pages above it.
        raise error.with_traceback(None) from error.__cause__


def _join(scheduler_host: str | None, n_workers: int | None, scheduler_file: str | os.PathLike[str] | None) -> Session:
    given = {"scheduler_host": scheduler_host, "scheduler_file": scheduler_file, "n_workers": n_workers}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1:
        raise ValueError(
            f"{' and '.join(f'{name}={value!r}' for name, value in given.items())}; allowed: one of them, because each "
            "says which workers are used"
        )
    if scheduler_file is not None:
        return attach(scheduler_file=_path(scheduler_file))
    if scheduler_host is None:
        return require() if n_workers is None else start_workers(check_n_workers(n_workers))
    if not isinstance(scheduler_host, str):
        raise TypeError(f'scheduler_host={scheduler_host!r}; allowed: a text, such as "auto" or the name of a job')
    return attach(scheduler_host)


def attach(scheduler_host: str | None = None, scheduler_file: str | None = None) -> Session:
    """Become a client of the job that one of the arguments names, unless this process is that already.

    Parameters
    ----------
    scheduler_host, scheduler_file : str, optional
        As for `MpiBackend`.

    Returns
    -------
    Session
        The session; inside a task, that of the task.

    Raises
    ------
    SessionError
        There is no such job, it does not accept this process, this process is rank 0 of a job, or calls of another job
        are running.
    ValueError
        ``scheduler_host`` has none of its forms.
    """
    with _lock:
        session = _no_rank_0("scheduler_host" if scheduler_file is None else "scheduler_file")
        if session is not None and session.is_worker:
            return session
        route = route_to(scheduler_host, scheduler_file)
        if session is not None:
            if session.socket == route.target and not session.is_gone:
                return session
            _leave(session, f"the job {scheduler_file or scheduler_host}")
        return sessions.adopt(
            client_sessions.through(route) if route.command else client_sessions.at_socket(route.target)
        )


def start_workers(n_workers: int | None) -> Session:
    """Start ranks for this process and become their client, unless that has been done with the same number.

    Parameters
    ----------
    n_workers : int or None
        As for `cluster`. None means any number if there are workers.

    Returns
    -------
    Session
        The session; inside a task, that of the task.

    Raises
    ------
    SessionError
        The ranks cannot be started, this process is a rank or was started by a task, or calls run with another number
        of workers.
    """
    with _lock:
        session = _no_rank_0("n_workers")
        if session is not None and session.is_worker:
            return session
        if session is not None:
            job = session.local_job
            is_enough = job is not None and n_workers in (None, job.n_workers, session.core.n_workers)
            if is_enough and not session.is_gone:
                return session
            _leave(session, f"{n_workers} new ones")
        if sessions.parents() is not None:
            raise _core.SessionError(_FORKED)
        n_workers = _default_n_workers if n_workers is None else n_workers
        if not may_start():
            raise _core.SessionError(sessions.NO_SESSION)
        return sessions.adopt(client_sessions.with_own_workers(n_workers, _slurm_options))


def start_ahead(n_workers: int | None, slurm_options: Sequence[str] | None = None) -> None:
    """Get a session as `require` does, on a separate thread: the first call waits only if it comes before that is done.

    If it fails, stderr tells why, and the first call tries again.

    Parameters
    ----------
    n_workers : int or None
        As for `cluster`. It holds whenever this program starts workers without saying how many.
    slurm_options : sequence of str, optional
        As for `LocalJob`. They hold whenever this program starts workers.
    """
    global _default_n_workers, _slurm_options
    _default_n_workers, _slurm_options = n_workers, slurm_options
    # A daemon, because the end of the program is not to wait for ranks that do not start.
    threading.Thread(target=_start_ahead, name="joblib-mpi start", daemon=True).start()


def _start_ahead() -> None:
    try:
        require()
    except Exception as error:
        client_sessions.say(f"the workers could not be started yet, and the first call tries it again: {error}")


def shutdown() -> None:
    """End the workers that this program has started, or leave the job that it is a client of.

    Calls that run end with an error. A later call starts workers again. Does nothing in a program that runs on rank 0,
    whose workers end with it, and if there are none.
    """
    with _lock:
        session = sessions.current()
        if session is not None and session.is_client:
            session.close()


@contextmanager
def cluster(n_workers: int | None = None) -> Iterator[None]:
    """Start workers for this program; they end with the ``with`` block.

    Without this function, the first call with ``backend="mpi"`` starts them in a program that runs on no rank, and they
    end with the program.

    Parameters
    ----------
    n_workers : int, optional
        The number of workers; rank 0 comes on top. By default as many as there are cores, and inside an allocation of a
        batch system as many as it has room for beside rank 0.

    Raises
    ------
    SessionError
        They cannot be started; the text says why and what to do.
    TypeError
        ``n_workers`` is no integer.
    ValueError
        ``n_workers`` is less than 1.
    """
    start_workers(check_n_workers(n_workers))
    try:
        yield
    finally:
        shutdown()


def check_n_workers(n_workers: int | None) -> int | None:
    """Return ``n_workers``; raises TypeError or ValueError unless it is None or a positive integer."""
    if n_workers is None:
        return None
    if isinstance(n_workers, bool) or not isinstance(n_workers, int):
        raise TypeError(f"n_workers={n_workers!r}; allowed: an integer from 1, or None")
    if n_workers < 1:
        raise ValueError(f"n_workers={n_workers}; allowed: an integer from 1, or None")
    return n_workers


def init(
    *,
    isolation: str | None = None,
    preload: Sequence[str] | None = None,
    memory_limit: int | str | None = None,
) -> None:
    """Start the session in a program that runs on all ranks; only rank 0 goes on.

    The other ranks run tasks until rank 0 ends, and then leave by SystemExit. Call this function on all ranks, before
    any work that only rank 0 should do and before MPI is initialised (importing ``mpi4py.MPI`` initialises it). Further
    calls do nothing. Under ``python -m joblib_mpi``, which has these arguments as options, no call is needed. In
    a program that JOBLIB_MPI_SCHEDULER_HOST tells of a job, this function makes it the job's client.

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
    if sessions.current() is not None:
        return
    options = from_environment().updated(isolation, preload, memory_limit)
    missing = missing_module(options.preload)
    if missing is not None:
        raise _core.SessionError(str(MissingModuleError(missing)))
    if options.scheduler_host is not None:
        attach(options.scheduler_host)
        return
    session = sessions.start(options)
    if session.is_worker:
        sys.exit(session.serve())
    sessions.fail_workers_with(session)


def _no_rank_0(option: str) -> Session | None:
    """Return the session of this process, if it has one; raises SessionError if it is that of rank 0."""
    session = sessions.current()
    if session is not None and not session.is_worker and not session.is_client:
        raise _core.SessionError(_NOT_A_CLIENT.format(option))
    return session


def _leave(session: Session, for_what: str) -> None:
    if session.has_calls and not session.is_gone:
        raise _core.SessionError(
            f"this program has calls or generators that run on {session.core.n_workers} workers of another job: let "
            f"them end before it uses {for_what}"
        )
    session.close()


def _path(scheduler_file: object) -> str:
    path = os.fspath(scheduler_file) if isinstance(scheduler_file, str | os.PathLike) else None
    if not isinstance(path, str) or not path:
        raise TypeError(f"scheduler_file={scheduler_file!r}; allowed: the path of an access file")
    return path


def _leave_to_parent() -> None:
    global _lock
    _lock = threading.RLock()  # another thread of the parent may have had it
    session = sessions.parents()
    if session is not None and session.is_client:
        session.core.leave_to_parent()


os.register_at_fork(after_in_child=_leave_to_parent)
