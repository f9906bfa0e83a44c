"""Addresses HOST:PORT at which a job lets clients in over TLS: how they are written, bound, and found again."""

import errno
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from joblib_mpi._core import SessionError
from joblib_mpi.serving import access, access_files
from joblib_mpi.serving.access import Access

_PATTERN = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^\[\]:/\s*]+)):(?P<port>[0-9]{1,5})", re.ASCII)
#: What stands before a colon in other texts that name jobs.
_OTHER_WORDS = ("slurm", "ssh")
_ALL_INTERFACES = ("0.0.0.0", "::")
_ALLOWED = "HOST:PORT, such as 127.0.0.1:8786 or [::1]:0, with a port from 0 to 65535, where 0 means any free one"

_REASONS = {
    errno.EADDRNOTAVAIL: "this host, {here}, has no such address; use one that it has, as `ip address` shows them",
    errno.EADDRINUSE: "the port is in use; use another one, or 0 for any free one",
    errno.EACCES: "the port is reserved for root; use one from 1024, or 0 for any free one",
}


class Address(NamedTuple):
    """An address as users write it.

    Parameters
    ----------
    host : str
        The name or number of a host, without brackets.
    port : int
        The TCP port.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_of_all_interfaces(self) -> bool:
        """True if the host stands for all interfaces of a host, and names none to connect to."""
        return self.host in _ALL_INTERFACES


class Found(NamedTuple):
    """A job that listens at an address.

    Parameters
    ----------
    access : Access
        The job.
    path : str
        The path of its access file.
    """

    access: Access
    path: str


def parse(text: str) -> Address:
    """Return the address that ``text`` writes as HOST:PORT or [HOST]:PORT; raises ValueError if it is none."""
    match = _PATTERN.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError(f"{text!r} is no address; allowed: {_ALLOWED}")
    return Address(match["six"] or match["host"], int(match["port"]))


def is_address(scheduler_host: str) -> bool:
    """Return whether ``scheduler_host`` has the form HOST:PORT, and not that of another name of a job."""
    match = _PATTERN.fullmatch(scheduler_host)
    return match is not None and match["host"] not in _OTHER_WORDS


def bind(address: Address) -> socket.socket:
    """Return a socket that listens at an address of this host and at no other; its port is new if it was 0.

    Raises
    ------
    SessionError
        That is impossible; the text says why and what to do.
    """
    refusal: OSError | None = None
    try:
        for family, kind, protocol, _, where in socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            try:
                return _listening(family, kind, protocol, where)
            except OSError as error:
                refusal = refusal or error
    except (OSError, UnicodeError) as error:  # a name that is unknown or no name
        raise SessionError(
            f"rank 0 cannot listen at {address}: {socket.gethostname()} knows no host {address.host} "
            f"({getattr(error, 'strerror', None) or error}); use an address that it has, such as "
            f"127.0.0.1:{address.port}"
        ) from error
    assert refusal is not None
    reason = _REASONS.get(refusal.errno or 0, f"{refusal.strerror}; use another address")
    raise SessionError(f"rank 0 cannot listen at {address}: {reason.format(here=socket.gethostname())}") from refusal


def find(scheduler_host: str) -> Found:
    """Return the job of this user that listens at an address; only its access file is looked at.

    Parameters
    ----------
    scheduler_host : str
        An address, as `is_address` tells; the host may have another name than in the access file.

    Raises
    ------
    SessionError
        There is no access file of such a job, or there are several.
    ValueError
        The text is no address.
    """
    wanted = parse(scheduler_host)
    known, problems = _listening_jobs()
    found = [job for job in known if _means(wanted, job.access)]
    if len(found) > 1:
        found = [job for job in found if _is_on(wanted.host, job.access)] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise SessionError(
            f"{len(found)} jobs of yours listen at {wanted}, {_names(found)}; choose one by its access file, such as "
            f'with scheduler_file="{found[0].path}"'
        )
    others = f"; known: {_names(known)}" if known else ""
    raise SessionError(
        f"no access file in {access_files.folder_path()} is of a job that listens at {wanted}; copy that of the job "
        f'from its host to this one with mode 0600 and name it with scheduler_file="PATH"{others}'
        + "".join(f"; {problem}" for problem in problems)
    )


def where_to_connect(job: Access) -> Address:
    """Return the address of a job that listens, as another host uses it; raises SessionError if it listens at none."""
    if job.address is None:
        raise SessionError(
            f"the job {job.job} listens at no address, so only programs on {job.host} can join it; start one with "
            f'"joblib-mpi serve --listen {job.host}:0"'
        )
    try:
        address = parse(job.address)
    except ValueError as error:
        raise SessionError(f"the access file of the job {job.job} is damaged: {error}; copy it again") from error
    return address._replace(host=job.host) if address.is_of_all_interfaces else address


def _listening(family: int, kind: int, protocol: int, where: object) -> socket.socket:
    server = socket.socket(family, kind, protocol)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind(where)  # type: ignore[arg-type]
        server.listen(socket.SOMAXCONN)
    except BaseException:
        server.close()
        raise
    return server


def _listening_jobs() -> tuple[list[Found], list[str]]:
    known, problems = [], []
    for name in access_files.jobs():
        path = access_files.path_of(name)
        try:
            with suppress(FileNotFoundError):  # ended since
                job = access.read(path)
                if job.address is not None:
                    known.append(Found(job, path))
        except SessionError as error:
            problems.append(str(error))
    return known, problems


def _means(wanted: Address, job: Access) -> bool:
    try:
        listens = parse(job.address or "")
    except ValueError:
        return False
    if listens.port != wanted.port:
        return False
    return listens.is_of_all_interfaces or listens.host == wanted.host or _share_a_number(listens.host, wanted.host)


def _is_on(host: str, job: Access) -> bool:
    return host == job.host or _share_a_number(host, job.host)


def _share_a_number(host: str, other: str) -> bool:
    return not _numbers(host).isdisjoint(_numbers(other))


def _numbers(host: str) -> set[str]:
    with suppress(OSError, UnicodeError):
        return {str(where[0]) for *_, where in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return set()


def _names(jobs: Iterable[Found]) -> str:
    return ", ".join(f"{job.access.job} at {job.access.address}" for job in jobs)
