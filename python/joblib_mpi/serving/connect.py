"""The command ``joblib-mpi connect [--here] [JOB]``: it joins its stdin and stdout with the socket of a job.

The command runs for each client that comes through ssh or srun, so it imports little. Nothing but the job's bytes goes
to stdout.
"""

import os
import signal
import socket
import sys
from collections.abc import Sequence

from joblib_mpi._core import SessionError
from joblib_mpi.serving import access
from joblib_mpi.serving.byte_flow import join_streams

#: The exit status if there is no such job, or if several could be meant: it would be no use to try again.
NO_JOB = 3

_USAGE = "usage: joblib-mpi connect [--here] [JOB]"


def main(argv: Sequence[str]) -> int:
    """Carry out the command line ``argv`` without the word "connect", and return the exit status.

    Parameters
    ----------
    argv : list of str
        The job, as for `MpiBackend`'s ``scheduler_host``, by default "auto"; before it "--here" for a job whose rank 0
        runs on this host.
    """
    words = list(argv)
    is_here = words[:1] == ["--here"]
    del words[:is_here]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        return _fail(_USAGE, 2)
    if not os.isatty(0):
        # Ctrl-C in the terminal of a client is for the client, which ends the connection if it ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return _connect(words[0] if words else "auto", is_here=is_here)
    except (SessionError, ValueError) as error:
        return _fail(str(error), NO_JOB)
    except OSError as error:
        return _fail(f"the connection with the job has failed: {error}", 1)
    except KeyboardInterrupt:
        return 130


def _connect(job: str, *, is_here: bool) -> int:
    if is_here:
        path = access.find(job).socket
    else:
        from joblib_mpi.serving.routes import route_to  # what looks for other ways takes time to import

        route = route_to(job)
        if route.command:
            return _become(route.command)
        path = route.target
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        join_streams(0, 1, connection)
    return 0


def _become(command: tuple[str, ...]) -> int:
    try:
        os.execvp(command[0], command)
    except OSError as error:
        return _fail(f"cannot start {command[0]}: {error.strerror}", 1)


def _fail(text: str, status: int) -> int:
    print(f"joblib-mpi: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
