"""Does what another user of the machine can do to jobs of USER_ID, until it is ended: FOLDER is their TMPDIR.

Prints each thing that it could reach, once.
"""

import itertools
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

user, folder = int(sys.argv[1]), Path(sys.argv[2])
MOST_CONNECTIONS = 200
#: The beginnings of the names of a rank's socket, of `joblib-mpi run`'s and of a fork server's.
SOCKETS = "@joblib_mpi.", "@joblib-mpi-run-", "@joblib-mpi/"
connections = []
connected = set()
told = set()


def tell(what):
    if what not in told:
        told.add(what)
        print(what, flush=True)


def connect():
    """Connect to all sockets of jobs, leave half of the connections waiting, and send what no rank has sent."""
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        name = line.split(maxsplit=7)[-1]
        if not name.startswith(SOCKETS):
            continue
        for kind in (socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
            with suppress(OSError):
                connection = socket.socket(socket.AF_UNIX, kind)
                connection.setblocking(False)
                connection.connect("\0" + name[1:])
                connections.append(connection)
                connection.send(os.urandom(200))
                connected.add(next(beginning for beginning in SOCKETS if name.startswith(beginning)))
    for connection in connections[: len(connections) - MOST_CONNECTIONS]:
        connection.close()
    del connections[: len(connections) - MOST_CONNECTIONS]


def litter(number):
    """Put folders and pipes with names like those of jobs into the shared folder."""
    path = folder / f"joblib-mpi-{number % 100:06}"
    with suppress(OSError):
        path.mkdir()
        os.mkfifo(path / "lock", 0o666)


def reach():
    """Open, change and end what belongs to the other user."""
    # os.walk takes no notice of folders that disappear while it looks.
    for path in (Path(place, name) for place, folders, files in os.walk(folder) for name in (*folders, *files)):
        with suppress(OSError):
            if path.lstat().st_uid == user and path.is_file() and os.access(path, os.W_OK):
                tell(f"can write {path}")
            if path.lstat().st_uid == user and "joblib-mpi" in str(path) and os.access(path, os.R_OK):
                tell(f"can read {path}")
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.stat().st_uid == user:
                for name in os.listdir(process / "fd"):
                    tell(f"can see descriptor {name} of process {process.name}")
        with suppress(OSError):
            if process.stat().st_uid == user:
                os.kill(int(process.name), signal.SIGKILL)
                tell(f"can end process {process.name}")


print("begins", flush=True)
for number in itertools.count():
    connect()
    if number % 20 == 0:
        litter(number // 20)
        with suppress(OSError):
            reach()
    for beginning in connected:
        tell(f"connects to {beginning}")
