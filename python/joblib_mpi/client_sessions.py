"""Sessions of programs that are clients of a job, which may be their own."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from joblib_mpi import _core
from joblib_mpi import session as sessions
from joblib_mpi.job_description import JobDescription
from joblib_mpi.local_job import LocalJob
from joblib_mpi.serving.relay import Relay
from joblib_mpi.serving.resumption import Resumption
from joblib_mpi.serving.routes import Route
from joblib_mpi.session import Session

#: How long a job may take to answer a client. Chosen, not measured: rank 0 answers within milliseconds, unless its
#: machine is out of memory.
_PATIENCE_SECONDS = 30.0

_RESUME = "JOBLIB_MPI_RESUME_SECONDS"
_RESUME_SECONDS = 60.0


def at_socket(socket: str, local_job: LocalJob | None = None) -> Session:
    """Return the session of a client of the job whose socket has this path; with it ends ``local_job``.

    Raises
    ------
    SessionError
        No job answers there, or it does not accept this process.
    """
    try:
        # The compiled class is not abstract.
        client = _core.Client(socket, sessions.identity(), _PATIENCE_SECONDS)  # type: ignore[abstract]
    except OSError as error:
        raise _core.SessionError(
            f'no job answers at {socket} ({os.strerror(error.errno or 0)}): it may have ended; "joblib-mpi list" shows '
            "the jobs that serve"
        ) from error
    return _session_of(client, socket, local_job)


def through(route: Route, local_job: LocalJob | None = None) -> Session:
    """Return the session of a client of the job to which a relay leads; with it ends ``local_job``.

    Raises
    ------
    SessionError
        The relay did not get there, or the job does not accept this process.
    ValueError
        JOBLIB_MPI_RESUME_SECONDS is out of range.
    """
    window = _resume_seconds()
    relay = Relay(route)
    try:
        client = _core.Client(  # type: ignore[abstract]
            relay.take_descriptor(), sessions.identity(), _PATIENCE_SECONDS, window
        )
    except _core.VersionMismatchError:
        relay.end()
        raise
    except (OSError, _core.SessionError) as error:
        raise _core.SessionError(relay.why_not(error)) from error
    except BaseException:  # Ctrl-C
        relay.end()
        raise
    resumption = Resumption(client, route, relay, window, _PATIENCE_SECONDS, say)
    return _session_of(client, route.target, local_job, resumption)


def with_own_workers(n_workers: int | None, slurm_options: Sequence[str] | None = None) -> Session:
    """Start ranks for this program, and return the session of their client.

    Parameters
    ----------
    n_workers : int or None
        As for `joblib_mpi.cluster`.
    slurm_options : sequence of str, optional
        As for `LocalJob`.

    Raises
    ------
    SessionError
        They cannot be started; the text says why and what to do.
    """
    started = time.monotonic()
    say(f"starting {'workers' if n_workers is None else _workers(n_workers)} for this program")
    local_job = LocalJob(n_workers, slurm_options)
    route = local_job.route
    try:
        session = through(route, local_job) if route.command else at_socket(route.target, local_job)
    except BaseException:
        local_job.end()
        raise
    say(f"started {_workers(session.core.n_workers)} in {time.monotonic() - started:.1f} s")
    return session


def _session_of(
    client: _core.Client, target: str, local_job: LocalJob | None, resumption: Resumption | None = None
) -> Session:
    described = JobDescription.unpacked(client.description)
    session = Session(client, described.isolation, described.start, local_job)
    session.resumption = resumption
    session.memory_limit = described.memory_limit
    session.socket = target
    return session


def _resume_seconds() -> float:
    text = os.environ.get(_RESUME) or str(_RESUME_SECONDS)
    with suppress(ValueError):
        if 0 <= float(text) <= 86400:
            return float(text)
    raise ValueError(f"{_RESUME}={text!r}; allowed: seconds from 0 to 86400")


def _workers(number: int) -> str:
    return "1 worker" if number == 1 else f"{number} workers"


def say(text: str) -> None:
    """Tell the user on stderr, if there is one, what goes on."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(f"joblib-mpi: {text}", file=sys.stderr, flush=True)
