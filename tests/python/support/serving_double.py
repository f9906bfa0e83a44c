"""Doubles of jobs that serve: rank 0's session, and a process that listens in its place."""

import os
import socket
import stat
import subprocess
import sys
from contextlib import contextmanager

from joblib_mpi.serving.access import Access
from joblib_mpi.serving.listener import process_start
from support.core_double import Refused
from support.time_limits import TIMEOUT_SECONDS


def access_to(path, **changes):
    """Return the `Access` of a job of this process with a socket at `path`."""
    pid = changes.get("pid", os.getpid())
    fields = {
        "job": f"{socket.gethostname()}-{pid}",
        "socket": str(path),
        "host": socket.gethostname(),
        "pid": pid,
        "process_start": process_start(pid) or 0,
        "n_workers": 3,
        "versions": "versions",
        "started": "2026-11-29T19:00:00+00:00",
        "slurm_job": None,
        "slurm_step": None,
        "slurm_node": None,
    }
    return Access(**{**fields, **changes})


@contextmanager
def listening(path):
    """Listen at `path` in this process, with no answer for anyone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        yield listener


_PROCESS = """
import signal, socket, sys
if sys.argv[2] == "ignores":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(sys.argv[1])
listener.listen()
print("listens", flush=True)
sys.stdin.read()
"""


@contextmanager
def process_that_listens(path, *, ignores_sigterm=False):
    """Run a process that listens at `path` until it is told to end, and yield it as `subprocess.Popen`."""
    command = [sys.executable, "-c", _PROCESS, str(path), "ignores" if ignores_sigterm else "ends"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "listens\n"
        yield process
    finally:
        process.kill()
        process.wait(TIMEOUT_SECONDS)
        process.stdin.close()
        process.stdout.close()


class ServingCore:
    """Rank 0's session as far as `serve` uses it.

    Parameters
    ----------
    n_workers : int
        The number of workers.
    when_asked : callable, optional
        Called each time that the number of clients is asked for; returns it. By default there is none.
    """

    def __init__(self, n_workers=3, when_asked=lambda: 0):
        self.n_workers = n_workers
        self._when_asked = when_asked
        self._listener = None
        self.listened = None
        self.failure = None  # what functions that ask for something raise

    def listen(self, path, identity, description):
        if self._listener is not None:
            raise Refused("listens twice")
        folder = os.stat(os.path.dirname(path))
        if stat.S_IMODE(folder.st_mode) != 0o700 or type(description) is not bytes or type(identity) is not str:
            raise Refused(f"listen{(path, identity, description)}")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen()
        self.listened = path, identity, description

    def unfinished_tasks(self):
        if self._listener is None:
            raise Refused("unfinished_tasks before listen")
        if self.failure is not None:
            raise self.failure
        return 0

    @property
    def n_clients(self):
        if self._listener is None:
            raise Refused("n_clients before listen")
        return self._when_asked()

    @property
    def n_clients_so_far(self):
        return 0

    def close(self):
        if self._listener is not None:
            self._listener.close()


class ServingSession:
    """A session of which `core` is a `ServingCore`."""

    def __init__(self, core):
        self.core = core

    def description(self):
        return b"a description"
