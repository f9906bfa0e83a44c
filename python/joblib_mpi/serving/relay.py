"""A command such as ssh that a client speaks through with its job."""

import os
import signal
import socket
import subprocess
import threading
from collections import deque
from contextlib import suppress

from joblib_mpi._core import SessionError
from joblib_mpi.serving.connect import NO_JOB
from joblib_mpi.serving.routes import Route

#: More than a message and what precedes it; a relay may run for weeks.
_MOST_LINES = 20
_MOST_LINE_BYTES = 500
#: What joblib-mpi's own messages begin with, also those of the command at the other end.
_OWN = "joblib-mpi: "
#: A part of the error of a client that has got bytes which no job sends.
_STRANGE_BYTES = "is not joblib-mpi"
#: The status with which shells say that there is no such command.
_NO_COMMAND = 127
#: The time between the end of its connection and that of a relay, after which it is told to end, or said to run.
_END_SECONDS = 2.0
#: The time in which a shell at the other end has printed what it prints at its start.
_PRINT_SECONDS = 10.0


class Relay:
    """A process whose stdin and stdout lead to a job, while this process has the other end of both: a socket.

    The relay ends if this process ends in any way, because the socket is then closed. It runs in a separate session,
    because Ctrl-C in a terminal is for the client alone.

    Parameters
    ----------
    route : Route
        The way to the job, with a command.

    Raises
    ------
    SessionError
        The command cannot be started.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    route.command,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise SessionError(
                    f"{route.target} cannot be reached, because {route.command[0]} cannot be started: "
                    f"{error.strerror}; install it, or use a program on the host of the job"
                ) from error
        self._socket = ours
        self._listener = threading.Thread(target=self._keep_last_lines, name="joblib-mpi-relay", daemon=True)
        self._listener.start()

    def take_descriptor(self) -> int:
        """Return the descriptor of this process's end, which the caller closes from now on."""
        return self._socket.detach()

    def why_not(self, error: Exception) -> str:
        """Return why the relay does not lead to the job, and what to do; ends it.

        Parameters
        ----------
        error : Exception
            The error of the client that has used it.
        """
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        status = self._process.poll()
        self.end()
        own = [line.removeprefix(_OWN) for line in self._lines if line.startswith(_OWN)]
        target, said = self._route.target, f": {self.last_words}" if self.last_words else ""
        shown = subprocess.list2cmdline(self._route.command)
        if own:
            return f"{target} cannot be reached: {own[-1]}"
        printed = printed_by(self._route) if _STRANGE_BYTES in str(error) else ""
        if printed:
            return (
                f'{target} cannot be reached, because the shell at the other end prints "{printed.splitlines()[0]}" to '
                "stdout, where the job's bytes are to come; let its start-up files, such as .bashrc, print only in "
                "interactive shells"
            )
        if status == _NO_COMMAND or "command not found" in said:
            return (
                f"{target} cannot be reached, because there is no command joblib-mpi at the other end{said}; set "
                "JOBLIB_MPI_REMOTE_COMMAND to its path there, or to a text for the shell that finds it"
            )
        if status:
            return (
                f"{target} cannot be reached, because {self._route.command[0]} has ended with status {status}{said}; "
                f"{self._route.advice}"
            )
        return f"{target} cannot be reached: {error}{said}; the command was: {shown}"

    @property
    def found_no_job(self) -> bool:
        """True if the relay has ended because there is no such job at its other end, now or later."""
        return self._process.poll() == NO_JOB and any(line.startswith(_OWN) for line in self._lines)

    @property
    def last_words(self) -> str:
        """The last lines that the relay has printed to stderr, in one line."""
        return "; ".join(list(self._lines)[-3:])

    def end(self) -> None:
        """Wait for the end of the relay, whose socket is closed, and end it if it stays."""
        self._socket.close()
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_SECONDS)
                break
        # What the relay has started may have its stderr and live on.
        self._listener.join(_END_SECONDS / 10)

    def _keep_last_lines(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while line := stream.readline(_MOST_LINE_BYTES):
                text = line.decode(errors="replace").strip()
                if text:
                    self._lines.append(text)
        self._process.wait()  # leaves no zombie


def printed_by(route: Route) -> str:
    """Return what comes through a relay before anything is said to the job; nothing should.

    Raises SessionError if the relay's command cannot be started.
    """
    relay = Relay(route)
    with socket.socket(fileno=relay.take_descriptor()) as end:
        end.settimeout(_PRINT_SECONDS)
        try:
            printed = end.recv(_MOST_LINE_BYTES)
        except OSError:
            printed = b""
    relay.end()
    return printed.decode(errors="replace").strip()
