"""The ways from this process to a job that serves: its socket, or a command whose stdin and stdout lead there."""

import os
import shlex
import shutil
import socket
import sysconfig
from collections.abc import Mapping
from typing import NamedTuple

from joblib_mpi.serving import access, access_files
from joblib_mpi.serving.access import Access
from joblib_mpi.serving.tls_routes import route_over_tls

_SSH = "ssh:"
_REMOTE_COMMAND = "JOBLIB_MPI_REMOTE_COMMAND"
#: Below the 30 s that a client waits for its job, so that ssh itself says what it has waited for.
_SSH_CONNECT_SECONDS = 20
#: A relay has no terminal: ssh must neither ask for a password nor take up what is meant for the user's own logins.
_SSH_OPTIONS = ("-T", "-a", "-x", "-o", "BatchMode=yes", "-o", "ClearAllForwardings=yes")


class Route(NamedTuple):
    """A way to a job.

    Parameters
    ----------
    target : str
        The end of the way, equal for equal ways: the path of a socket on this host, or a text for messages.
    command : tuple of str
        The program and arguments of a relay, whose stdin and stdout lead to the job's socket; empty if the target is a
        socket on this host.
    advice : str
        The thing to do if that program fails.
    """

    target: str
    command: tuple[str, ...] = ()
    advice: str = ""


def route_to(scheduler_host: str | None = None, scheduler_file: str | None = None) -> Route:
    """Return the way to the job that one of the arguments names.

    Parameters
    ----------
    scheduler_host : str, optional
        As for `access.find`; or HOST:PORT for a job that listens there; or "ssh:NODE" for the only job of this user
        there, or "ssh:NODE/" and the job as it is named there, such as "ssh:LOGIN/slurm:1234".
    scheduler_file : str, optional
        The path of an access file.

    Raises
    ------
    SessionError
        There is no such job, or no way to it; the text says what to do.
    ValueError
        ``scheduler_host`` has none of these forms; the text says which are allowed.
    """
    over_tls = route_over_tls(scheduler_host, scheduler_file)
    if over_tls is not None:
        return Route(*over_tls)
    if scheduler_file is not None:
        scheduler_host = os.path.join(os.curdir, os.path.expanduser(scheduler_file))  # a path also without a slash
    assert scheduler_host is not None
    if scheduler_host.startswith(_SSH):
        return _by_ssh(scheduler_host)
    found = access.find(scheduler_host, through_slurm=shutil.which("srun") is not None)
    if found.host == socket.gethostname() and access.state_of(found).kind == "serves":
        return Route(found.socket)
    is_path = "/" in scheduler_host
    return _by_srun(found, os.path.abspath(os.path.expanduser(scheduler_host)) if is_path else found.job)


def _by_ssh(scheduler_host: str, environment: Mapping[str, str] = os.environ) -> Route:
    node, slash, job = scheduler_host.removeprefix(_SSH).partition("/")
    is_word = node and not node.startswith("-") and node.isprintable() and " " not in node
    if not is_word or (slash and not job) or job.startswith("-") or not job.isprintable():
        raise ValueError(
            f'scheduler_host={scheduler_host!r}; allowed: "ssh:NODE" or "ssh:NODE/JOB", in which NODE is a host as for '
            'the command ssh, and JOB is a job as on that host, such as "slurm:1234"'
        )
    remote = environment.get(_REMOTE_COMMAND) or "joblib-mpi"
    options = (*_SSH_OPTIONS, "-o", f"ConnectTimeout={_SSH_CONNECT_SECONDS}")
    return Route(
        scheduler_host,
        ("ssh", *options, "--", node, f"{remote} connect {shlex.quote(job or 'auto')}"),
        f'"ssh -o BatchMode=yes {node} true" has to work in a terminal, without a password and with the host\'s key '
        "known, and print nothing",
    )


def _by_srun(found: Access, job: str, environment: Mapping[str, str] = os.environ) -> Route:
    assert found.slurm_job is not None
    step = ("srun", "-u", "--overlap", "--mpi=none", "-N1", "-n1", "-w", found.slurm_node or found.host)
    remote = environment.get(_REMOTE_COMMAND)
    words = ("connect", "--here", job)
    return Route(
        f"{found.job} on {found.host}",
        (
            *(*step, f"--jobid={found.slurm_job}"),
            # A text for a shell, as it is for ssh.
            *(("sh", "-c", f"{remote} {shlex.join(words)}") if remote else (_own_command(), *words)),
        ),
        f'"squeue --job {found.slurm_job}" shows whether the Slurm job runs; if it does not, remove the access file '
        f"{access_files.path_of(found.job)}",
    )


def _own_command() -> str:
    """Return the command ``joblib-mpi`` of this installation, which the hosts of a cluster mostly share."""
    beside = os.path.join(sysconfig.get_path("scripts"), "joblib-mpi")
    return beside if os.path.exists(beside) else "joblib-mpi"
