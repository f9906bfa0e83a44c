"""Zygotes from one process of the node, which has imported what executors need: the ranks themselves import little.

The first worker rank of a node that binds the name of this job forks that process, the fork server; every worker rank,
the first one among them, asks it for a keeper of its zygote (`fork_server`). The name is a digest of all that a process
has from its start and that a forked one could not change: a rank that differs in it has a separate fork server.
`Request` has what a keeper gets from its rank by message.
"""

import hashlib
import json
import os
import resource
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Any, NamedTuple

from joblib_mpi import _core, launcher_environment, thread_limits
from joblib_mpi._core import SessionError
from joblib_mpi.start_options import MissingModuleError, StartOptions

#: The word by which the server's answer begins: the keeper waits for `start`; a module is not there, or cannot be
#: imported; the keeper could not become like the rank.
READY, MISSING, FAILED, UNLIKE = "ready", "missing", "failed", "unlike"

#: How long a rank waits at its end for the server, which waits for the keepers of the node. Chosen, not measured.
_LONGEST_FAREWELL_SECONDS = 1.0

#: How long a server may take no step before a rank that waits for it ends it. Chosen, not measured.
_LONGEST_STANDSTILL_SECONDS = 15.0

_LIMITS = tuple(number for name, number in vars(resource).items() if name.startswith("RLIMIT_"))


class Request(NamedTuple):
    """Data that a keeper gets from its rank, beside the files of `_core.zygote_with_keeper_elsewhere` and its output.

    Parameters
    ----------
    environment : dict of str to str
        All variables.
    cores : list of int
        The cores to which the rank is bound.
    group : int
        The process group of the rank, which the launcher ends as a whole.
    """

    environment: dict[str, str]
    cores: list[int]
    group: int

    @classmethod
    def of_this_process(cls) -> "Request":
        """Return the request that this rank makes."""
        return cls(dict(os.environ), sorted(os.sched_getaffinity(0)), os.getpgrp())


class NodeZygote:
    """The zygote of this rank, whose keeper is not its child.

    Parameters
    ----------
    zygote : _core.Zygote
        The zygote, started.
    identity : str
        What `session.identity` returns, in the keeper.
    server : ServerChild or None
        The fork server, if this rank has forked it.
    """

    def __init__(self, zygote: _core.Zygote, identity: str, server: "ServerChild | None") -> None:
        self.zygote = zygote
        self.identity = identity
        self._server = server

    def has_started(self) -> None:
        """Note that all ranks have their zygotes."""
        if self._server is not None:
            self._server.close()

    def end(self) -> None:
        """Wait for the fork server if it is this rank's child; the session has ended."""
        if self._server is not None:
            self._server.wait()


class ServerChild:
    """The fork server, seen from the rank that has forked it."""

    def __init__(self, process: int, lifeline: socket.socket) -> None:
        self._process = process
        self._lifeline = lifeline

    def close(self) -> None:
        """Let the server take no more requests: it ends with the last keeper."""
        self._lifeline.close()

    def wait(self) -> None:
        """Wait until the server has ended, but not for long: ranks that stay have their keepers."""
        self.close()
        deadline = time.monotonic() + _LONGEST_FAREWELL_SECONDS
        while os.waitpid(self._process, os.WNOHANG)[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.002)


def zygote_of_node(options: StartOptions) -> NodeZygote | None:
    """Return a zygote for this worker rank, or None if it has to import all modules and fork its zygote itself.

    Raises
    ------
    MissingModuleError
        A module that is to be preloaded is not there.
    SessionError
        A module cannot be imported.
    """
    if not launcher_environment.job_name() or thread_limits.launched_local_rank() is None:
        return None
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # rank 0 acts on it
    name = "\0joblib-mpi/" + _digest(options)
    try:
        server = _fork_server_if_first(name, options)
        deadline = time.monotonic() + _LONGEST_STANDSTILL_SECONDS
        while True:
            try:
                connection = _connected(name)
                break
            except BlockingIOError:  # more connections wait for the server than the system lets wait
                pass
            except ConnectionRefusedError:  # its owner does not listen yet, or has ended and left the name to others
                if server is not None:
                    return None
                server = _fork_server_if_first(name, options)
            if time.monotonic() > deadline:  # it never listens, or another user's connections wait
                return None
            time.sleep(0.001)
        with connection:
            return _request(connection, server)
    except OSError:  # the server has ended, another user has the name, or there can be no more processes
        return None


def _request(connection: socket.socket, server: ServerChild | None) -> NodeZygote | None:
    zygote, *files = _core.zygote_with_keeper_elsewhere()
    text = json.dumps(Request.of_this_process()).encode()
    try:
        socket.send_fds(connection, [struct.pack("=Q", len(text))], [*files, 1, 2])
    finally:
        for file in files:
            os.close(file)
    connection.sendall(text)
    answer = _answer(connection)
    if not answer:
        return None
    status, rest = json.loads(answer)
    if status == MISSING:
        raise MissingModuleError(rest)
    if status == FAILED:
        raise SessionError(rest)
    if status == UNLIKE:
        return None
    try:
        zygote.start()
    except SessionError:  # such as a preloaded module that hangs before the keeper's fork
        return None
    return NodeZygote(zygote, rest, server)


def _answer(connection: socket.socket) -> bytes:
    """Return all that the server answers; empty if it has ended.

    A server that stands still is ended, so that each rank does without it: it may be stopped, or wait in what a
    preloaded module does before a fork. One that imports for a long time computes, or waits for a disk.
    """
    process, _ = peer_of(connection)
    parts = []
    state, since = None, time.monotonic()
    connection.settimeout(_LONGEST_STANDSTILL_SECONDS / 10)
    while True:
        try:
            parts.append(connection.recv(1 << 16))
        except TimeoutError:
            now = time.monotonic()
            if (found := _steps(process)) != state:
                state, since = found, now
            elif now - since > _LONGEST_STANDSTILL_SECONDS:
                os.kill(process, signal.SIGKILL)
        else:
            if not parts[-1]:
                return b"".join(parts)


def _steps(process: int) -> object:
    """Return what changes with each step of the process, and always while it computes or waits for a disk."""
    state, *numbers = _text(f"/proc/{process}/stat").rpartition(")")[2].split() or ["ended"]
    if state in ("R", "D"):
        return object()
    return [state, numbers[10:12], _text(f"/proc/{process}/io")]


def _fork_server_if_first(name: str, options: StartOptions) -> ServerChild | None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(name)
    except OSError:
        listener.close()
        return None
    ours, theirs = socket.socketpair()
    from joblib_mpi import fork_server  # before the fork: a child that cannot import it would go on as this rank

    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    process = os.fork()
    if process == 0:
        ours.close()
        fork_server.serve(listener, theirs, options)
    listener.close()
    theirs.close()
    ours.recv(1)  # it listens, so that others learn its process id, or has ended
    return ServerChild(process, ours)


def _connected(name: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)  # another user who has bound the name may let it wait
        connection.connect(name)
        connection.setblocking(True)
        if peer_of(connection)[1] != os.getuid():
            raise PermissionError("another user has bound the name of this job")
    except BaseException:
        connection.close()
        raise
    return connection


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Return the process id and the user of the other end, as they were when it listened or connected."""
    process, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return process, user


def _digest(options: StartOptions) -> str:
    umask = os.umask(0o077)
    os.umask(umask)
    parts: list[Any] = [
        launcher_environment.job_name(),
        options,
        sorted(launcher_environment.without_rank().items()),
        (sys.executable, sys.version, sys.path, sys.flags, sys.warnoptions, sys._xoptions, sys.orig_argv),
        (__file__, _core.__version__),
        (os.getcwd(), umask, os.getsid(0), os.getpriority(os.PRIO_PROCESS, 0)),
        (os.getresuid(), os.getresgid(), sorted(os.getgroups())),
        [resource.getrlimit(limit) for limit in _LIMITS],
        [os.isatty(stream) for stream in (1, 2)],
        [_link(f"/proc/self/ns/{kind}") for kind in ("cgroup", "ipc", "mnt", "pid", "user", "uts")],
        [_text(f"/proc/self/{name}") for name in ("cgroup", "oom_score_adj")],
        _text("/proc/self/numa_maps").partition("\n")[0].split(" ")[1:2],
    ]
    return hashlib.sha256(repr(parts).encode(errors="surrogateescape")).hexdigest()


def _link(path: str) -> str:
    with suppress(OSError):
        return os.readlink(path)
    return ""


def _text(path: str) -> str:
    with suppress(OSError), open(path, errors="replace") as file:
        return file.read()
    return ""


def serve_session(zygote: NodeZygote) -> int:
    """Start the session of this worker rank, serve until rank 0 closes it, and return the exit status."""
    from joblib_mpi import _mpi

    core: Any = _mpi.start_session(zygote.identity, zygote.zygote)
    zygote.has_started()
    if core.rank == 0:
        raise SessionError("the launcher calls this process a worker rank, but MPI calls it rank 0")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for rank 0
    status: int = core.wait_until_closed()
    del core
    zygote.end()
    return status
