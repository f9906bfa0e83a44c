"""The process that listens at a Unix socket, as far as another process can see it."""

import errno
import os
import socket
import struct
from contextlib import suppress

_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group


def listening_process(socket_path: str) -> int | None:
    """Return the id of the process that listens at a Unix socket, or None if there is no such process.

    Parameters
    ----------
    socket_path : str
        The path of the socket, of at most 107 bytes.

    Returns
    -------
    int or None
        As the kernel tells it; 0 if the process belongs to a container that is out of this process's sight.

    Raises
    ------
    OSError
        The process belongs to another user, or the socket cannot be asked.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)  # a socket with a full queue is an error, and no reason to wait
        try:
            connection.connect(socket_path)
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return None
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(credentials)
    if user != os.geteuid():
        raise PermissionError(errno.EPERM, f"a process of another user (id {user}) listens there", socket_path)
    return int(process)


def process_start(process: int) -> int | None:
    """Return when a process was started, in clock ticks since the boot; None if there is none or it has ended.

    A process id is used again; together with this number it belongs to one process only.
    """
    with suppress(OSError):
        with open(f"/proc/{process}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before may contain anything
        state, start = fields[0], fields[19]
        return None if state in (b"Z", b"X") else int(start)
    return None
