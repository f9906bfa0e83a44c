"""Bytes that flow both ways between a pair of descriptors and a socket, until one side has ended."""

import fcntl
import os
import select
import socket
import stat
import time
from collections import defaultdict
from contextlib import suppress

#: The bytes that are under way in one direction, and the size that pipes get.
_BUFFER_BYTES = 1 << 20
#: The time for the bytes that are under way to the job when nothing can be said to the client any more.
_LAST_BYTES_SECONDS = 5.0
_IS_GONE = select.POLLERR | select.POLLHUP | select.POLLNVAL


class _Flow:
    """One direction, from ``source`` to ``sink``, both of which do not block."""

    def __init__(self, source: int, sink: int) -> None:
        self.source = source
        self.sink = sink
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._left = self._buffer[:0]
        self._is_drained = False
        self.is_done = False

    @property
    def wants_input(self) -> bool:
        return not self._left and not self._is_drained and not self.is_done

    @property
    def wants_output(self) -> bool:
        return bool(self._left) and not self.is_done

    def move(self) -> None:
        """Read if there is nothing to write, and write what there is, as far as both is possible now."""
        if self.wants_input:
            with suppress(BlockingIOError):
                self._read()
        if self.wants_output:
            with suppress(BlockingIOError):
                self._write()
        if self._is_drained and not self._left:
            self.is_done = True

    def _read(self) -> None:
        try:
            nbytes = os.readv(self.source, [self._buffer])
        except ConnectionResetError:
            nbytes = 0
        self._left = self._buffer[:nbytes]
        self._is_drained = nbytes == 0

    def _write(self) -> None:
        try:
            self._left = self._left[os.write(self.sink, self._left) :]
        except (BrokenPipeError, ConnectionResetError):
            self.is_done = True


def join_streams(source: int, sink: int, connection: socket.socket) -> None:
    """Copy bytes from ``source`` to ``connection`` and from there to ``sink``, until one side has ended.

    If a source ends, its sink is told so and the other direction goes on. All is over once both have ended, or once the
    other end of ``sink`` or of ``connection`` is gone.

    Parameters
    ----------
    source, sink : int
        Descriptors of pipes, sockets or terminals; they may be one and the same open file.
    connection : socket.socket
        A connected socket.
    """
    ends = (source, sink, connection.fileno())
    blocked = [os.get_blocking(end) for end in ends]
    try:
        for end in ends:
            os.set_blocking(end, False)
            with suppress(OSError):  # no pipe
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, _BUFFER_BYTES)
        _copy(_Flow(source, connection.fileno()), _Flow(connection.fileno(), sink))
    finally:
        for end, blocks in zip(ends, blocked, strict=True):
            with suppress(OSError):
                os.set_blocking(end, blocks)


def _copy(up: _Flow, down: _Flow) -> None:
    told_up = told_down = False
    deadline = None
    while not (up.is_done and down.is_done):
        found = _wait(up, down, deadline)
        up.move()
        down.move()
        if up.is_done and not told_up:
            told_up = True
            _end_writing(up.sink)
        if down.is_done and not told_down:
            told_down = True
            _end_writing(down.sink)
        if down.is_done and found.get(up.sink, 0) & _IS_GONE:
            return  # the job takes nothing either
        if found.get(down.sink, 0) & _IS_GONE:
            down.is_done = told_down = True
            deadline = deadline or time.monotonic() + _LAST_BYTES_SECONDS
        if deadline is not None and time.monotonic() >= deadline:
            return


def _wait(up: _Flow, down: _Flow, deadline: float | None) -> dict[int, int]:
    """Return the events of the descriptors on which something is possible, or whose other end is gone."""
    wanted: defaultdict[int, int] = defaultdict(int)  # source and sink of the client may be one descriptor
    if up.wants_input:
        wanted[up.source] |= select.POLLIN
    if up.wants_output or down.is_done:
        wanted[up.sink] |= select.POLLOUT if up.wants_output else 0
    if down.wants_input:
        wanted[down.source] |= select.POLLIN
    if not down.is_done:
        wanted[down.sink] |= select.POLLOUT if down.wants_output else 0
    poll = select.poll()
    for descriptor, events in wanted.items():
        poll.register(descriptor, events)
    return dict(poll.poll(None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000))


def _end_writing(sink: int) -> None:
    """Tell the reader of ``sink`` that nothing more comes."""
    with suppress(OSError):
        if stat.S_ISSOCK(os.fstat(sink).st_mode):
            with socket.socket(fileno=os.dup(sink)) as end:
                end.shutdown(socket.SHUT_WR)
        else:
            nothing = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            os.dup2(nothing, sink)  # closes it and keeps its number from being used for something else
            os.close(nothing)
