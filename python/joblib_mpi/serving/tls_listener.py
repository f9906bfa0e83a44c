"""The process beside rank 0 that lets clients in over TLS and joins each with rank 0's socket.

Only connections whose other end has proven the clients' key get a process of their own, which copies bytes. All others
are strangers, who get a number of descriptors, some time, and nothing else.
"""

import json
import os
import select
import signal
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from joblib_mpi.serving import tls_contexts, tls_flow

#: The time for a handshake, far more than even a busy host takes. Chosen, not measured.
_HANDSHAKE_SECONDS = 60.0
#: The most strangers at a time; fewer if this process may not open that many files.
_MOST_STRANGERS = 512
#: The most connections accepted between two looks at the others, so that a flood holds no handshake up.
_MOST_ACCEPTED = 16
#: The pause if no connection can be accepted and there is no stranger to drop.
_SHORTAGE_SECONDS = 0.1


class Start(NamedTuple):
    """The message of rank 0 to the process, through its stdin because no other user can read that.

    Parameters
    ----------
    listener : int
        The descriptor of the socket that listens.
    socket : str
        The path of rank 0's socket.
    server_certificate, server_key, client_certificate : str
        As in `Keys`.
    """

    listener: int
    socket: str
    server_certificate: str
    server_key: str
    client_certificate: str


class Stranger(NamedTuple):
    """A connection before the end of its handshake.

    Parameters
    ----------
    connection : ssl.SSLSocket
        The connection, which does not block.
    host : str
        The number of the other end's host.
    deadline : float
        The time at which it is dropped, by `time.monotonic`.
    """

    connection: ssl.SSLSocket
    host: str
    deadline: float


class Entrance:
    """Lets clients in, until it is told to end.

    Parameters
    ----------
    listener : socket.socket
        The socket that listens; it does not block.
    context : ssl.SSLContext
        What is demanded of clients.
    admit : callable
        Called with each connection that has finished its handshake; it is closed afterwards.
    most_strangers : int
        The most connections that may be in their handshakes.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        admit: Callable[[ssl.SSLSocket], None],
        most_strangers: int,
    ) -> None:
        self._listener = listener
        self._context = context
        self._admit = admit
        self._most_strangers = most_strangers
        self._strangers: dict[int, Stranger] = {}  # by descriptor, the oldest first
        self._poll = select.poll()

    def run(self, until: int) -> None:
        """Let clients in until the descriptor ``until`` is at its end."""
        self._poll.register(self._listener, select.POLLIN)
        self._poll.register(until, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll(self._milliseconds_to_deadline())}
            if until in ready and not os.read(until, 1):
                return
            for descriptor in ready & self._strangers.keys():
                self._shake_hands(descriptor)
            self._drop_late()
            if self._listener.fileno() in ready:
                self._accept()

    def close(self) -> None:
        """Close everything but admitted connections, as a process does that is to serve one of them."""
        for descriptor in list(self._strangers):
            self._drop(descriptor)
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(_MOST_ACCEPTED):
            if len(self._strangers) >= self._most_strangers:
                self._drop_one()
            try:
                accepted, where = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # no descriptors or no memory
                if self._strangers:
                    self._drop_one()
                else:
                    time.sleep(_SHORTAGE_SECONDS)
                return
            self._greet(accepted, str(where[0]))

    def _greet(self, accepted: socket.socket, host: str) -> None:
        try:
            accepted.setblocking(False)
            connection = self._context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError):  # such as one that has gone already
            accepted.close()
            return
        self._strangers[connection.fileno()] = Stranger(connection, host, time.monotonic() + _HANDSHAKE_SECONDS)
        self._poll.register(connection, select.POLLIN)

    def _shake_hands(self, descriptor: int) -> None:
        connection = self._strangers[descriptor].connection
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            self._poll.modify(descriptor, select.POLLIN)
        except ssl.SSLWantWriteError:
            self._poll.modify(descriptor, select.POLLOUT)
        except (OSError, ValueError):
            self._drop(descriptor)
        else:
            del self._strangers[descriptor]
            self._poll.unregister(descriptor)
            with connection:
                self._admit(connection)

    def _drop_late(self) -> None:
        now = time.monotonic()
        for descriptor, stranger in list(self._strangers.items()):
            if stranger.deadline > now:
                return
            self._drop(descriptor)

    def _drop_one(self) -> None:
        """Drop the oldest stranger of the host that has the most, so that one host does not keep others out."""
        n_of_host = Counter(stranger.host for stranger in self._strangers.values())
        host = max(n_of_host, key=n_of_host.__getitem__)  # most_common imports a module, which needs a descriptor
        self._drop(next(number for number, stranger in self._strangers.items() if stranger.host == host))

    def _drop(self, descriptor: int) -> None:
        with suppress(KeyError):
            self._poll.unregister(descriptor)
        self._strangers.pop(descriptor).connection.close()

    def _milliseconds_to_deadline(self) -> float | None:
        for stranger in self._strangers.values():
            return max(0.0, stranger.deadline - time.monotonic()) * 1000 + 1
        return None


def main(arguments: Sequence[str]) -> int:
    """Let clients in until stdin is at its end, and return the exit status.

    Parameters
    ----------
    arguments : list of str
        Nothing; the first line of stdin is a `Start` in JSON.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)  # they are for rank 0, with which stdin ends
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children that have ended leave nothing behind
    start = Start(**json.loads(_first_line(0)))
    context = tls_contexts.server_context(start.server_certificate, start.server_key, start.client_certificate)
    listener = socket.socket(fileno=start.listener)
    listener.setblocking(False)
    entrance: Entrance

    def admit(connection: ssl.SSLSocket) -> None:
        if not tls_contexts.has_certificate(connection, start.client_certificate):
            return
        try:
            process = os.fork()
        except OSError as error:
            print(f"joblib-mpi: a client is refused, because no process can be started: {error}", file=sys.stderr)
            return
        if process == 0:
            status = 1
            try:
                entrance.close()
                status = _serve(connection, start.socket)
            finally:
                os._exit(status)

    entrance = Entrance(listener, context, admit, _most_strangers())
    entrance.run(until=0)
    return 0


def _serve(connection: ssl.SSLSocket, path: str) -> int:
    """Copy bytes between a client and rank 0's socket until one of the two has ended; return the exit status."""
    tls_flow.prepare(connection)
    try:
        # Here, because rank 0 takes the process that connects for its client, and lets go of it with that process.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as job:
            job.connect(path)
            tls_flow.join_job(connection, job)
    except OSError:  # either end is gone, and each notices it at its connection
        return 1
    return 0


def _most_strangers() -> int:
    try:
        n_files = os.sysconf("SC_OPEN_MAX")
    except (OSError, ValueError):
        return _MOST_STRANGERS
    return _MOST_STRANGERS if n_files < 0 else max(1, min(_MOST_STRANGERS, n_files // 2))


def _first_line(descriptor: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            break
        line += byte
    return line
