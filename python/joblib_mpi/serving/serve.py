"""Rank 0 while it waits for clients, from the access file to its removal."""

import datetime
import os
import select
import shlex
import signal
import socket
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from joblib_mpi._core import SessionError
from joblib_mpi.serving import access, access_files, socket_folder
from joblib_mpi.serving.access import Access
from joblib_mpi.serving.addresses import Address, where_to_connect
from joblib_mpi.serving.listener import process_start
from joblib_mpi.serving.tls_process import TlsProcess
from joblib_mpi.session import Session, identity

#: The signals that end the job: Ctrl-C, "joblib-mpi stop", the end of the terminal, and Slurm before its time limit.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
#: The time between two looks for clients, far below any idle timeout of use.
_LOOK_SECONDS = 1.0
#: Far below the days after which temporary folders are cleaned.
_FRESHEN_SECONDS = 3600.0


def serve(session: Session, idle_timeout: float | None = None, listen: Address | None = None) -> int:
    """Let clients use the workers of the session until the job is told to end, and return the exit status.

    Main thread of rank 0 only. Writes the access file, prints the lines with which a program becomes a client, and
    waits for SIGTERM, SIGINT, SIGHUP or SIGUSR1, or for the idle timeout. The access file, the socket and its folder
    are removed in any case.

    Parameters
    ----------
    session : Session
        The session of this rank.
    idle_timeout : float, optional
        The time in seconds after which the job ends if it has no client; by default never.
    listen : Address, optional
        The address at which clients on other hosts are let in over TLS; by default no port is opened.

    Raises
    ------
    SessionError
        The job has no workers, or access file, socket or port cannot be made; the text says what to do.
    """
    if session.core.n_workers == 0:
        raise SessionError("1 rank has no workers, and clients need some; start more ranks, such as with -n 4")
    with _EndSignals() as signals:
        tls = None if listen is None else TlsProcess(listen)
        path = socket_folder.make()
        published = None
        try:
            _listen(session, path)
            if tls is not None:
                tls.start(path)
            published = access.publish(own_access(path, session.core.n_workers, tls))
            _say(_welcome(published, idle_timeout))
            why = _wait(session.core, path, signals, IdleClock(idle_timeout, time.monotonic()), tls)
            _say(f"joblib-mpi: the job {published.job} ends: {why}")
        finally:
            if published is not None:
                access.forget(published)
            if tls is not None:
                tls.end()
            socket_folder.remove(path)
    return 0


class IdleClock:
    """Tells when a job has had no client for too long.

    Parameters
    ----------
    timeout : float or None
        The time in seconds; None or 0 for no limit.
    now : float
        The time at the start, in seconds.
    """

    def __init__(self, timeout: float | None, now: float) -> None:
        self._timeout = timeout
        self._idle_since = now
        self._n_so_far = 0

    def is_over(self, n_clients: int, n_so_far: int, now: float) -> bool:
        """Note the clients at the time ``now`` and those that there have been; return whether the job is to end."""
        if n_clients > 0 or n_so_far > self._n_so_far:
            self._idle_since = now
            self._n_so_far = n_so_far
        return bool(self._timeout) and now - self._idle_since >= (self._timeout or 0)

    @property
    def text(self) -> str:
        """The reason for the end."""
        return f"it has had no client for {_duration(self._timeout or 0)}"


class _EndSignals:
    """A context in which signals that end the job are noted; those that the parent process has ignored stay so."""

    def __enter__(self) -> "_EndSignals":
        self._noted, self._note = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._former = {number: signal.getsignal(number) for number in _ENDING}
        for number, handler in self._former.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._former.items():
            if handler is not None:
                signal.signal(number, handler)
        os.close(self._noted)
        os.close(self._note)

    def wait(self, seconds: float) -> signal.Signals | None:
        """Return a signal that has come, or None if none comes within that time."""
        if not select.select([self._noted], [], [], seconds)[0]:
            return None
        return signal.Signals(os.read(self._noted, 1)[0])

    def _handle(self, number: int, frame: FrameType | None) -> None:
        with suppress(BlockingIOError):
            os.write(self._note, bytes([number]))


def _listen(session: Session, socket_path: str) -> None:
    try:
        session.core.listen(socket_path, identity(), session.description())
    except OSError as error:
        raise SessionError(
            f"rank 0 cannot listen at {socket_path}: {error}; set TMPDIR to a folder on this host"
        ) from error


def _wait(core: Any, socket_path: str, signals: _EndSignals, idle: IdleClock, tls: TlsProcess | None) -> str:
    freshen_at = time.monotonic() + _FRESHEN_SECONDS
    while True:
        number = signals.wait(_LOOK_SECONDS)
        if number is not None:
            return "Ctrl-C" if number == signal.SIGINT else f"{number.name} has come"
        core.unfinished_tasks()  # raises SessionError if the session has ended
        now = time.monotonic()
        if idle.is_over(core.n_clients, core.n_clients_so_far, now):
            return idle.text
        if tls is not None and tls.has_ended:
            _say(
                f"joblib-mpi: the process that let clients in at {tls.address} has ended; those on this host still join"
            )
            tls = None
        if now >= freshen_at:
            socket_folder.freshen(socket_path)
            freshen_at = now + _FRESHEN_SECONDS


def own_access(socket_path: str, n_workers: int, tls: TlsProcess | None = None) -> Access:
    """Return what clients of the job whose rank 0 is this process have to know, with a name that others may have."""
    host, process = socket.gethostname(), os.getpid()
    slurm_job = os.environ.get("SLURM_JOB_ID") or None
    # Under mpirun the variable names the step of a shell or of mpirun's daemons.
    slurm_step = None if "OMPI_COMM_WORLD_SIZE" in os.environ else os.environ.get("SLURM_STEP_ID")
    return Access(
        job=f"{host}-{process}" if slurm_job is None else f"slurm-{slurm_job}",
        socket=socket_path,
        host=host,
        pid=process,
        process_start=process_start(process) or 0,
        n_workers=n_workers,
        versions=identity(),
        started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        slurm_job=slurm_job,
        slurm_step=slurm_step,
        slurm_node=os.environ.get("SLURMD_NODENAME") or None,
        address=None if tls is None else str(tls.address),
        server_certificate=None if tls is None else tls.keys.server_certificate,
        client_certificate=None if tls is None else tls.keys.client_certificate,
        client_key=None if tls is None else tls.keys.client_key,
    )


def _welcome(published: Access, idle_timeout: float | None) -> str:
    workers = "1 worker waits" if published.n_workers == 1 else f"{published.n_workers} workers wait"
    ends = f", and {_duration(idle_timeout)} without a client end it, too" if idle_timeout else ""
    return f"""\
joblib-mpi: {workers} for your programs on {published.host}. In Python there:

    import joblib_mpi
    from joblib import parallel_config

    with parallel_config(backend="mpi", scheduler_host="{published.job}"):
        ...
{_welcome_elsewhere(published)}
"joblib-mpi stop {published.job}" ends the job{ends}; "joblib-mpi list" shows your jobs."""


def _welcome_elsewhere(published: Access) -> str:
    if published.address is None:
        return ""
    address, path = where_to_connect(published), access_files.path_of(published.job)
    return f"""
On other hosts that have your home folder:

    with parallel_config(backend="mpi", scheduler_host="{address}"):
        ...

Elsewhere, with a copy of the access file, which contains the key and is for you alone:

    scp -p {published.host}:{shlex.quote(path)} joblib-mpi.json

    with parallel_config(backend="mpi", scheduler_file="joblib-mpi.json"):
        ...
"""


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def _say(text: str) -> None:
    with suppress(OSError):  # the reader of a pipe is gone, and the job is still of use
        print(text, flush=True)
