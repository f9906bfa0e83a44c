"""A job that a program which is no rank starts for itself, and whose client it is."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import joblib

from joblib_mpi import _core
from joblib_mpi.serving import access_files, socket_folder
from joblib_mpi.serving.listener import listening_process, process_start
from joblib_mpi.serving.routes import Route, route_to
from joblib_mpi.thread_limits import is_launched
from joblib_mpi.worker_identity import TASK_VARIABLE

#: The time from the goodbye to the end of the launcher, after which it is ended. More than the 5 s that workers have.
_END_SECONDS = 20.0
_LOOK_SECONDS = 0.01


def may_start(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process may start ranks: no launcher has started it, and no task."""
    return TASK_VARIABLE not in environment and not is_launched(environment)


class LocalJob:
    """Ranks that were started by this process and end with it.

    Parameters
    ----------
    n_workers : int or None
        The number of workers. None means as many as there are cores, with rank 0 beside them; inside an allocation of a
        batch system, as many as it has room for beside rank 0.
    slurm_options : sequence of str, optional
        The options of salloc, which allocates nodes of a Slurm cluster for the ranks; by default they run on this
        machine, or in the allocation that this process is in.

    Raises
    ------
    SessionError
        The ranks cannot be started; the text says why and what to do.

    Attributes
    ----------
    route : Route
        The way to rank 0, which listens for this process alone.
    """

    route: Route

    def __init__(self, n_workers: int | None, slurm_options: Sequence[str] | None = None) -> None:
        self.n_workers = n_workers
        self._slurm_options = slurm_options
        self._may_be_elsewhere = slurm_options is not None or bool(os.environ.get("SLURM_JOB_ID"))
        self._socket = ""
        self._access_file = access_files.path_for_program(f"{socket.gethostname()}-{secrets.token_hex(8)}")
        self._launcher: subprocess.Popen[bytes] | None = None
        try:
            if slurm_options is None:  # otherwise rank 0 is on this host at best by chance
                socket_folder.make(self._note_socket)
            self._launch()
            self.route = self._route_to_rank_0()
        except BaseException:
            self._end_launcher(0.0)
            raise

    def end(self) -> int | None:
        """Wait for the end of the ranks, which the client has left, and end them if they stay.

        Returns the launcher's status, 0 if they have ended by themselves.
        """
        self._end_launcher(_END_SECONDS)
        return None if self._launcher is None else self._launcher.returncode

    def _note_socket(self, path: str) -> None:
        self._socket = path

    def _launch(self) -> None:
        # If Ctrl-C comes in the middle of this, there is no object for a launcher that runs already. Rank 0 therefore
        # looks whether this process lives until it is the first client.
        program = (socket.gethostname(), str(os.getpid()), str(process_start(os.getpid())))
        command = [*self._allocation(), _command(), "run", *self._rank_options(), "--python", sys.executable]
        try:
            # Terminals and notebooks signal whole process groups: the ranks must not be in that of the program.
            self._launcher = subprocess.Popen(
                [*command, "-m", "joblib_mpi.serving.private", self._socket, *program, self._access_file],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise _core.SessionError(f"cannot start {command[0]}: {error.strerror}") from error

    def _allocation(self) -> list[str]:
        if self._slurm_options is None:
            return []
        # Before the user's own options, which count more.
        n_tasks = [] if self.n_workers is None else [f"--ntasks={self.n_workers + 1}"]
        return ["salloc", *n_tasks, *self._slurm_options]

    def _rank_options(self) -> list[str]:
        if self.n_workers is not None:
            return ["-n", str(self.n_workers + 1)]
        in_allocation = any(os.environ.get(name) for name in ("SLURM_JOB_ID", "PBS_NODEFILE", "LSB_DJOB_HOSTFILE"))
        if self._slurm_options is not None or in_allocation:
            return []
        return ["-n", str(joblib.cpu_count() + 1)]

    def _route_to_rank_0(self) -> Route:
        assert self._launcher is not None
        while True:
            if self._socket and listening_process(self._socket) is not None:
                return Route(self._socket)
            if self._may_be_elsewhere and access_files.is_there(self._access_file):
                socket_folder.remove(self._socket)
                return route_to(scheduler_file=self._access_file)
            status = self._launcher.poll()
            if status is not None:
                command = "joblib-mpi run" if self._slurm_options is None else "salloc"
                raise _core.SessionError(
                    f'the ranks could not be started: "{command}" has ended with status {status} and has printed '
                    'why; "joblib-mpi doctor" examines this machine'
                )
            time.sleep(_LOOK_SECONDS)

    def _end_launcher(self, seconds: float) -> None:
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if self._launcher is None:
                break
            if number is not None:
                with suppress(ProcessLookupError):
                    os.killpg(self._launcher.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._launcher.wait(seconds if number is None else _END_SECONDS)
                break
        socket_folder.remove(self._socket)
        access_files.remove_at(self._access_file)


def _command() -> str:
    beside = os.path.join(sysconfig.get_path("scripts"), "joblib-mpi")
    command = beside if os.path.exists(beside) else shutil.which("joblib-mpi")
    if command is None:
        raise _core.SessionError(
            f"the command joblib-mpi, which starts ranks, is neither at {beside} nor on PATH; install the package again"
        )
    return command
