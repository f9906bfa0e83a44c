"""Bytes that flow both ways between a TLS connection and a pair of descriptors, until the job's side has ended."""

import os
import select
import socket
import ssl
from abc import ABC, abstractmethod
from contextlib import suppress

#: The bytes that are under way in one direction: several records of TLS, which have 16 KiB each.
_BUFFER_BYTES = 1 << 18
#: The time after which a peer that acknowledges nothing is gone: as long as rank 0 and a client may be silent.
_SILENCE_SECONDS = 30
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_IS_GONE = (BrokenPipeError, ConnectionResetError)


def prepare(connection: socket.socket) -> None:
    """Have a TCP connection send small frames at once, and end if its other end answers nothing for 30 s."""
    with suppress(OSError):  # the other end has gone already
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SILENCE_SECONDS // 3)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _SILENCE_SECONDS // 6)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_SECONDS * 1000)


def join_job(connection: ssl.SSLSocket, job: socket.socket) -> None:
    """Copy bytes between a connection with a client and a job's socket, until the job has ended its side.

    Parameters
    ----------
    connection : ssl.SSLSocket
        A connection after its handshake.
    job : socket.socket
        A connected socket.

    Raises
    ------
    OSError
        The connection was cut, or a record was not what the other end has sent.
    """
    from_job = _Outgoing(connection, job.fileno())
    _copy(connection, (job.fileno(),), from_job, _Incoming(connection, job.fileno()))


def join_client(connection: ssl.SSLSocket, source: int, sink: int) -> None:
    """Copy bytes from ``source`` to a connection with a job and from there to ``sink``, until the job has ended it.

    Parameters
    ----------
    connection : ssl.SSLSocket
        A connection after its handshake.
    source, sink : int
        Descriptors of pipes or sockets; they may be the same.

    Raises
    ------
    OSError
        The connection was cut, or a record was not what the other end has sent.
    """
    from_job = _Incoming(connection, sink)
    _copy(connection, (source, sink), from_job, _Outgoing(connection, source))


class _Direction(ABC):
    """The way of bytes in one direction. Neither end blocks."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._left = self._buffer[:0]
        self.has_ended = False
        self.is_done = False

    def move(self) -> bool:
        """Copy what can be copied now; return whether anything has changed."""
        if self.is_done:
            return False
        n_left = len(self._left)
        if n_left == 0 and not self.has_ended:
            self._left = self._buffer[: self._read()]
        n_read = len(self._left) - n_left
        with suppress(*_NOT_NOW):
            while self._left:
                self._left = self._left[self._write(self._left) :]
        if self.has_ended and not self._left:
            self.is_done = True
            self._pass_end_on()
        return self.is_done or n_read > 0 or len(self._left) < n_left

    def awaited(self) -> tuple[int, int]:
        """Return the descriptor, and the event of poll, for which this direction waits."""
        return (self._sink, select.POLLOUT) if self._left else (self._source, select.POLLIN)

    @abstractmethod
    def _read(self) -> int:
        """Fill the buffer and return the number of bytes; note the source's end."""

    @abstractmethod
    def _write(self, left: memoryview) -> int:
        """Return how many bytes the sink has taken."""

    @abstractmethod
    def _pass_end_on(self) -> None:
        """Tell the sink that nothing more comes."""


class _Incoming(_Direction):
    """The direction from a connection to a descriptor, whose reader may be gone: then bytes are thrown away."""

    def __init__(self, connection: ssl.SSLSocket, sink: int) -> None:
        super().__init__(connection.fileno(), sink)
        self._connection = connection

    def _read(self) -> int:
        # A read returns one record. Several are passed on at once if they are there.
        filled = 0
        with suppress(*_NOT_NOW):
            while filled < _BUFFER_BYTES and not self.has_ended:
                nbytes = self._connection.recv_into(self._buffer[filled:])
                filled += nbytes
                self.has_ended = nbytes == 0
        return filled

    def _write(self, left: memoryview) -> int:
        try:
            return os.write(self._sink, left)
        except _IS_GONE:
            return len(left)

    def _pass_end_on(self) -> None:
        with suppress(OSError), socket.socket(fileno=os.dup(self._sink)) as end:  # fails for a pipe
            end.shutdown(socket.SHUT_WR)


class _Outgoing(_Direction):
    """The direction from a descriptor to a connection."""

    def __init__(self, connection: ssl.SSLSocket, source: int) -> None:
        super().__init__(source, connection.fileno())
        self._connection = connection

    def _read(self) -> int:
        with suppress(*_NOT_NOW):
            try:
                nbytes = os.readv(self._source, [self._buffer])
            except _IS_GONE:
                nbytes = 0
            self.has_ended = nbytes == 0
            return nbytes
        return 0

    def _write(self, left: memoryview) -> int:
        return self._connection.send(left)

    def _pass_end_on(self) -> None:
        # TLS has no way to say that keeps the other direction. A forged end is no more than a cut connection: what a
        # client says last is a frame.
        with suppress(OSError):
            socket.socket.shutdown(self._connection, socket.SHUT_WR)


def _copy(connection: ssl.SSLSocket, ends: tuple[int, ...], from_job: _Direction, to_job: _Direction) -> None:
    connection.setblocking(False)
    blocked = {end: os.get_blocking(end) for end in ends}
    try:
        for end in ends:
            os.set_blocking(end, False)
        while not from_job.is_done:
            try:
                has_moved = from_job.move()
            except OSError:
                if not to_job.has_ended:
                    raise
                _finish(to_job)  # since OpenSSL 3.5, a side that has said its last bytes hears nothing more
                return
            if not has_moved | to_job.move():
                _wait(from_job, to_job)
    finally:
        for end, blocks in blocked.items():
            with suppress(OSError):
                os.set_blocking(end, blocks)


def _finish(direction: _Direction) -> None:
    while not direction.is_done:
        if not direction.move():
            _wait(direction)


def _wait(*directions: _Direction) -> None:
    events: dict[int, int] = {}
    for direction in directions:
        if not direction.is_done:
            descriptor, event = direction.awaited()
            events[descriptor] = events.get(descriptor, 0) | event
    poll = select.poll()
    for descriptor, event in events.items():
        poll.register(descriptor, event)
    poll.poll()
