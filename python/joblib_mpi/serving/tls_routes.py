"""The way over TLS to a job that listens at an address."""

import os
import socket
from contextlib import suppress
from typing import NamedTuple

from joblib_mpi.serving import access, addresses
from joblib_mpi.serving.access import Access
from joblib_mpi.serving.addresses import Address
from joblib_mpi.serving.module_command import module_command


class TlsRoute(NamedTuple):
    """A way to a job, with the same fields as any other.

    Parameters
    ----------
    target : str
        The job and its address.
    command : tuple of str
        The program and arguments of a relay, whose stdin and stdout lead to the job.
    advice : str
        The thing to do if that program fails.
    """

    target: str
    command: tuple[str, ...]
    advice: str


def route_over_tls(scheduler_host: str | None = None, scheduler_file: str | None = None) -> TlsRoute | None:
    """Return the way to the job that one of the arguments names, or None if it does not lead over TLS.

    Parameters
    ----------
    scheduler_host : str, optional
        As for `MpiBackend`: an address leads over TLS, and the path of an access file as ``scheduler_file`` does.
    scheduler_file : str, optional
        The path of an access file, which leads over TLS if its job has an address and does not serve on this host.

    Raises
    ------
    SessionError
        No access file has the key of that address, or the file cannot be used.
    ValueError
        ``scheduler_host`` looks like an address and is none.
    """
    if scheduler_file is None and scheduler_host is not None and addresses.is_address(scheduler_host):
        found = addresses.find(scheduler_host)
        return _to(found.access, found.path, addresses.parse(scheduler_host))
    path = scheduler_file
    if path is None and scheduler_host is not None and "/" in scheduler_host:
        path = scheduler_host
    return None if path is None else _by_file(os.path.expanduser(path))


def relay_command(path: str, address: Address | None = None) -> tuple[str, ...]:
    """Return the command whose stdin and stdout lead over TLS to the job with the access file ``path``.

    Parameters
    ----------
    path : str
        The path of an access file.
    address : Address, optional
        The address to connect to, by default that of the access file.
    """
    words = () if address is None else (str(address),)
    return module_command("joblib_mpi.serving.tls_connect", os.path.abspath(path), *words)


def _by_file(path: str) -> TlsRoute | None:
    with suppress(OSError):
        if os.path.isfile(path):  # and no socket
            job = access.read(path)
            is_here = job.host == socket.gethostname() and access.state_of(job).kind == "serves"
            if job.address is not None and not is_here:
                return _to(job, path, addresses.where_to_connect(job))
    return None


def _to(job: Access, path: str, address: Address) -> TlsRoute:
    return TlsRoute(
        f"{job.job} at {address}",
        relay_command(path, address),
        f'"joblib-mpi list" on {job.host} shows whether the job runs; the access file {path} has to be its own',
    )
