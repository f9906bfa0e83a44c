"""Rank 0 of a job that one program has started for itself: it serves that program and ends with it.

usage: joblib-mpi run -n N -m joblib_mpi.serving.private SOCKET HOST PROCESS START
"""

import signal
import socket
import sys
import time

from joblib_mpi import session
from joblib_mpi.serving import socket_folder
from joblib_mpi.serving.listener import process_start

#: The time that the program has to connect after it could, before the job ends without it. Chosen, not measured.
_FIRST_CLIENT_SECONDS = 60.0
#: The time between two looks for clients. The end of the program's process is noticed this much later at most.
_LOOK_SECONDS = 0.05


def serve(path: str, host: str, process: int, start: int) -> int:
    """Serve one program until it has left, and return the exit status.

    Parameters
    ----------
    path : str
        The path of the socket, in a folder that the program has made.
    host : str
        The name of the program's host.
    process, start : int
        The program's process there, and when it was started, as `process_start` tells it.
    """
    here = socket.gethostname()
    if here != host:
        print(
            f"joblib-mpi: the launcher has started rank 0 on {here}, where the program on {host} does not reach it; "
            "start the program on the first node of the allocation, or the ranks with joblib-mpi run",
            file=sys.stderr,
        )
        return 2
    for number in (signal.SIGINT, signal.SIGHUP):  # they are for the program, which has no terminal in common with us
        signal.signal(number, signal.SIG_IGN)
    active = session.current()
    if active is None or active.core.n_workers == 0:
        print("joblib-mpi: a program's own job needs rank 0 and at least one worker", file=sys.stderr)
        return 2
    active.core.listen(path, session.identity(), active.description())
    try:
        deadline = time.monotonic() + _FIRST_CLIENT_SECONDS
        while active.core.n_clients_so_far == 0 and process_start(process) == start and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        while active.core.n_clients > 0:
            time.sleep(_LOOK_SECONDS)
    finally:
        socket_folder.remove(path)
    return 0


if __name__ == "__main__":
    sys.exit(serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
