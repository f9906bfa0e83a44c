"""Rank 0 of a job that one program has started for itself: it serves that program and ends with it.

usage: joblib-mpi run -n N -m joblib_mpi.serving.private SOCKET HOST PROCESS START ACCESS_FILE
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from joblib_mpi import session
from joblib_mpi.serving import access, access_files, socket_folder
from joblib_mpi.serving.listener import process_start
from joblib_mpi.serving.serve import own_access

#: The time that the program has to connect after it could, before the job ends without it. Chosen, not measured.
_FIRST_CLIENT_SECONDS = 60.0
#: The time between two looks for clients. The end of the program's process is noticed this much later at most.
_LOOK_SECONDS = 0.05


def serve(path: str, host: str, process: int, start: int, access_file: str) -> int:
    """Serve one program until it has left, and return the exit status.

    Parameters
    ----------
    path : str
        The path of the socket on the program's host, in a folder that the program has made; empty if there is none,
        because rank 0 is not expected there.
    host : str
        The name of the program's host.
    process, start : int
        The program's process there, and when it was started, as `process_start` tells it.
    access_file : str
        The path of the file that otherwise tells the program how it gets to this rank.
    """
    is_here = bool(path) and socket.gethostname() == host
    if not is_here and not os.environ.get("SLURM_JOB_ID"):
        print(
            f"joblib-mpi: the launcher has started rank 0 on {socket.gethostname()}, where the program on {host} does "
            "not reach it; start the program on the first node of the allocation, or the ranks with joblib-mpi run",
            file=sys.stderr,
        )
        return 2
    for number in (signal.SIGINT, signal.SIGHUP):  # they are for the program, which has no terminal in common with us
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)  # Slurm ends an allocation with it
    active = session.current()
    if active is None or active.core.n_workers == 0:
        print("joblib-mpi: a program's own job needs rank 0 and at least one worker", file=sys.stderr)
        return 2
    if not is_here:
        path = socket_folder.make()
    try:
        active.core.listen(path, session.identity(), active.description())
        if not is_here:
            access.publish_at(access_file, own_access(path, active.core.n_workers))
        _serve(active.core, lambda: not is_here or process_start(process) == start)
    finally:
        socket_folder.remove(path)
        if not is_here:
            access_files.remove_at(access_file)
    return 0


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _serve(core: Any, is_wanted: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _FIRST_CLIENT_SECONDS
    while core.n_clients_so_far == 0 and is_wanted() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    while core.n_clients > 0:
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]))
