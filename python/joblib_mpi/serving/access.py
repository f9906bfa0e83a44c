"""The access file of a job that serves: what a client has to know of the job, and how it finds it."""

import json
import os
import socket
import stat
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from joblib_mpi._core import SessionError
from joblib_mpi.serving import access_files, socket_folder
from joblib_mpi.serving.listener import listening_process, process_start

#: What precedes the id of a Slurm job.
SLURM = "slurm:"
_HOW_TO_START = 'start one with "joblib-mpi serve"'


class Access(NamedTuple):
    """A job that serves clients.

    Parameters
    ----------
    job : str
        The job's name.
    socket : str
        The path of the socket at which rank 0 waits for clients.
    host : str
        The host of rank 0.
    pid : int
        The process id of rank 0 there; 0 if it is unknown.
    process_start : int
        When that process was started, as `process_start` tells it.
    n_workers : int
        The number of workers; 0 if it is unknown.
    versions : str
        The versions on which job and client must agree.
    started : str
        The time at which the job began to serve, in ISO format with its time zone.
    slurm_job : str or None
        The id of the Slurm job to which the ranks belong.
    slurm_step : str or None
        The number of the step of that job that consists of the ranks alone, if srun has started them.
    slurm_node : str or None
        The name that Slurm has for the host of rank 0.
    address : str or None
        The address HOST:PORT at which the job lets clients in over TLS, if it was told to.
    server_certificate, client_certificate, client_key : str or None
        The certificate of the job at that address, and the certificate and private key of its clients, in PEM.
    """

    job: str
    socket: str
    host: str
    pid: int
    process_start: int
    n_workers: int
    versions: str
    started: str
    slurm_job: str | None = None
    slurm_step: str | None = None
    slurm_node: str | None = None
    address: str | None = None
    server_certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


_OPTIONAL = Access._field_defaults


class State(NamedTuple):
    """The state of a job, as far as this process can tell.

    Parameters
    ----------
    kind : {"serves", "ended", "unreachable", "elsewhere"}
        Whether a client can connect, the job has ended, or its rank 0 runs without its socket; "elsewhere" is another
        host, on which it may run or not.
    pid : int
        The process id of rank 0 if it runs, else 0.
    reason : str
        What keeps clients from the job; empty if nothing does.
    """

    kind: str
    pid: int = 0
    reason: str = ""


class Job(NamedTuple):
    """A job that has an access file, and its state.

    Parameters
    ----------
    access : Access
        The content of the file.
    state : State
        The job's state.
    """

    access: Access
    state: State


class Jobs(NamedTuple):
    """All jobs of this user.

    Parameters
    ----------
    present : list of Job
        Those that have not ended, as far as can be told here.
    ended : list of Access
        Those that had ended without removing their files, which are removed now.
    problems : list of str
        Messages about access files that are not used.
    """

    present: list[Job]
    ended: list[Access]
    problems: list[str]


def publish(access: Access) -> Access:
    """Write the access file, and return ``access`` with the name under which clients find the job.

    The name gets a number if another job has it, as a second one in a Slurm job does. Raises SessionError.
    """
    name, number = access.job, 1
    while not access_files.create(access.job, _content(access)):
        with suppress(FileNotFoundError, SessionError):
            known = _of_job(access.job)
            if state_of(known).kind == "ended" and forget(known):
                continue
        number += 1
        access = access._replace(job=f"{name}-{number}")
    return access


def publish_at(path: str, access: Access) -> None:
    """Write the access file of a job to a path that only those know who are to find the job; raises SessionError."""
    if not access_files.create_at(path, _content(access)):
        raise SessionError(f"there is an access file {path} already")


def forget(access: Access) -> bool:
    """Remove the access file of a job, its socket and the socket's folder; return whether the file is gone."""
    is_gone = access_files.remove(access.job)
    socket_folder.remove(access.socket)
    return is_gone


def read(path: str) -> Access:
    """Return the content of an access file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    SessionError
        The file is none that this user has written, others may have read or changed it, or its content is not that of
        an access file.
    """
    content = access_files.read(path)
    try:
        fields = json.loads(content)
        access = Access(**{name: fields[name] for name in Access._fields if name in fields or name not in _OPTIONAL})
        if not all(_is_of_type(access, name) for name in Access._fields):
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise SessionError(
            f"{path} has not the content of an access file, or is one of another version of joblib-mpi; remove it if "
            "the job has ended"
        ) from None
    return access


def state_of(access: Access) -> State:
    """Return the state of a job."""
    here = socket.gethostname()
    if access.host != here:
        return State("elsewhere", 0, f"its rank 0 is on {access.host}, where clients have to run, and this is {here}")
    trouble = "is gone"
    try:
        process = listening_process(access.socket)
        if process is not None:
            return State("serves", process)
    except OSError as error:  # such as that another user has put a socket where the job's was
        trouble = f"cannot be used ({error.strerror or error})"
        if access.pid == 0:
            return State("unreachable", 0, f"its socket {trouble}")
    if access.pid and process_start(access.pid) == access.process_start:
        return State(
            "unreachable", access.pid, f"its socket {access.socket} {trouble}, but its process {access.pid} runs"
        )
    return State("ended", 0, "it has ended")


def all_jobs() -> Jobs:
    """Return all jobs of this user that have an access file, and remove the files of those that have ended."""
    found = Jobs([], [], [])
    try:
        names = access_files.jobs()
    except SessionError as error:
        found.problems.append(str(error))
        return found
    for name in names:
        try:
            access = _of_job(name)
        except FileNotFoundError:  # ended since
            continue
        except SessionError as error:
            found.problems.append(str(error))
            continue
        state = state_of(access)
        if state.kind == "ended":
            forget(access)
            found.ended.append(access)
        else:
            found.present.append(Job(access, state))
    return found


def named(job: str) -> Access:
    """Return the job of that name, which may have ended; raises SessionError if there is no access file of it."""
    if os.path.basename(job) == job and job not in ("", ".", ".."):
        with suppress(FileNotFoundError):
            return _of_job(job)
    others = _names(known.access for known in all_jobs().present)
    raise SessionError(
        f'no job of yours has the name "{job}"; if there was one, it has ended, and the last line of its output says '
        f"why; {'known: ' + others if others else _HOW_TO_START}"
    )


def find(scheduler_host: str, *, through_slurm: bool = False) -> Access:
    """Return the job that a client is to join.

    Parameters
    ----------
    scheduler_host : str
        "auto" for the only job of this user on this host, the name of a job, "slurm:" and the id of a Slurm job, or the
        path of an access file or of a socket, which contains a slash.
    through_slurm : bool, optional
        Whether a job will do to whose socket only Slurm leads, such as one on another host. "auto" means such a job if
        there is none on this host.

    Raises
    ------
    SessionError
        There is no such job, it cannot be reached from here, or "auto" could mean several; the text says what to do.
    ValueError
        "slurm:" is not followed by the id of a job.
    """
    if scheduler_host == "auto":
        return _only_one(through_slurm)
    if scheduler_host.startswith(SLURM):
        return _reachable(_of_slurm_job(scheduler_host), through_slurm)
    if "/" not in scheduler_host:
        return _reachable(named(scheduler_host), through_slurm)
    path = os.path.expanduser(scheduler_host)
    try:
        access = _at_socket(path) if stat.S_ISSOCK(os.stat(path).st_mode) else read(path)
    except OSError as error:
        raise SessionError(
            f'no access file or socket {path}: {error.strerror}; "joblib-mpi list" shows the names of your jobs'
        ) from error
    return _reachable(access, through_slurm)


def _content(access: Access) -> bytes:
    fields = access._asdict()
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def _of_job(name: str) -> Access:
    path = access_files.path_of(name)
    access = read(path)
    if access.job != name:
        raise SessionError(f"{path} is the access file of another job, {access.job}; remove it")
    return access


def _of_slurm_job(scheduler_host: str) -> Access:
    number = scheduler_host.removeprefix(SLURM)
    if not (number.isascii() and number.isdecimal()):
        raise ValueError(
            f'scheduler_host="{scheduler_host}"; allowed after "{SLURM}": the number of a Slurm job, as squeue shows it'
        )
    present = [job.access for job in all_jobs().present]
    found = [access for access in present if access.slurm_job == number]
    if len(found) == 1:
        return found[0]
    if found:
        raise SessionError(
            f"{len(found)} jobs of yours serve clients in the Slurm job {number}, {_names(found)}; choose one, such as "
            f'with scheduler_host="{found[0].job}"'
        )
    raise SessionError(
        f"no job of yours serves clients in the Slurm job {number}: it has ended or has not started yet, or writes its "
        f"access file to another folder than {access_files.folder_path()}"
        + (f"; known: {_names(present)}" if present else "")
    )


def _only_one(through_slurm: bool) -> Access:
    jobs = all_jobs()
    host = socket.gethostname()
    usable = [job.access for job in jobs.present if job.state.kind == "serves"]
    where = f"on {host}"
    if not usable and through_slurm:
        usable = [job.access for job in jobs.present if _is_slurms(job)]
        where = "in Slurm"
    if len(usable) == 1:
        return usable[0]
    if usable:
        raise SessionError(
            f"{len(usable)} jobs of yours serve clients {where}, {_names(usable)}; choose one, such as with "
            f'scheduler_host="{usable[0].job}"'
        )
    others = "".join(f"; {job.access.job} cannot be used: {job.state.reason}" for job in jobs.present)
    problems = "".join(f"; {problem}" for problem in jobs.problems)
    raise SessionError(f"no job of yours serves clients on {host}, {_HOW_TO_START}{others}{problems}")


def _at_socket(path: str) -> Access:
    for job in all_jobs().present:
        with suppress(OSError):
            if os.path.samefile(job.access.socket, path):
                return job.access
    return Access(path, path, socket.gethostname(), 0, 0, 0, "", "")


def _reachable(access: Access, through_slurm: bool) -> Access:
    state = state_of(access)
    if state.kind == "serves" or (through_slurm and _is_slurms(Job(access, state))):
        return access
    raise SessionError(f"the job {access.job} cannot be used: {state.reason}; {_remedy(access, state)}")


def _is_slurms(job: Job) -> bool:
    # A Slurm job may have a private /tmp, in which processes outside of the job do not see its socket.
    return job.access.slurm_job is not None and job.state.kind in ("elsewhere", "unreachable")


def _remedy(access: Access, state: State) -> str:
    if state.kind == "ended":
        return _HOW_TO_START.replace("one", "another one")
    if state.kind == "unreachable":
        return f'end it with "joblib-mpi stop {access.job}", and {_HOW_TO_START.replace("one", "another one")}'
    if access.slurm_job is not None:
        return (
            "start the program where srun is found, or on that host, such as with "
            f'"srun --jobid={access.slurm_job} --overlap -w {access.host}"'
        )
    return f'start the program there, or use scheduler_host="ssh:{access.host}/{access.job}"'


def _names(accesses: Iterable[Access]) -> str:
    return ", ".join(access.job for access in accesses)


def _is_of_type(access: Access, name: str) -> bool:
    value = getattr(access, name)
    expected = Access.__annotations__[name]
    return isinstance(value, expected) and not isinstance(value, bool)
