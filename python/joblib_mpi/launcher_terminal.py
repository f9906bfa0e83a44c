"""Rank 0's standard output under a bare mpirun, which always puts a pseudo-terminal there."""

import fcntl
import io
import os
import stat
import sys
import termios
from contextlib import suppress

#: The names of Open MPI's launcher where it has started rank 0 itself, and not through a daemon on another host.
_LAUNCHERS = {"mpirun", "mpiexec", "orterun", "prterun", "prte"}

_STDOUT = 1


class _NoTerminal(io.TextIOWrapper):
    """A text stream that reaches a file or a pipe through a pseudo-terminal."""

    def isatty(self) -> bool:
        return False


def follow_launcher() -> None:
    """Make ``sys.stdout`` of rank 0 what the launcher's standard output is, as far as a process can find that out.

    Where that is a file or a pipe, ``sys.stdout.isatty()`` is False, so that libraries write no cursor movements into
    it; where it is a terminal, the pseudo-terminal gets its window size. Does nothing if standard output is no
    terminal, or if this process has the launcher's own, as under ``joblib-mpi run``.
    """
    with suppress(OSError):
        if not os.isatty(_STDOUT) or not _launcher_is_parent():
            return
        output = f"/proc/{os.getppid()}/fd/{_STDOUT}"
        status = os.stat(output)
        if os.path.samestat(status, os.fstat(_STDOUT)):
            return
        if _is_terminal(output, status):
            _copy_window_size(output)
        else:
            _deny_terminal()


def _launcher_is_parent() -> bool:
    with open(f"/proc/{os.getppid()}/comm") as name:
        return name.read().strip() in _LAUNCHERS


def _is_terminal(path: str, status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and os.readlink(path).startswith(("/dev/pts/", "/dev/tty", "/dev/console"))


def _copy_window_size(path: str) -> None:
    terminal = os.open(path, os.O_RDONLY | os.O_NOCTTY)
    try:
        fcntl.ioctl(_STDOUT, termios.TIOCSWINSZ, fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
    finally:
        os.close(terminal)


def _deny_terminal() -> None:
    stdout = sys.stdout
    if not isinstance(stdout, io.TextIOWrapper) or stdout is not sys.__stdout__ or stdout.fileno() != _STDOUT:
        return
    # The original stays in sys.__stdout__, because its end would close the buffer.
    sys.stdout = _NoTerminal(stdout.buffer, encoding=stdout.encoding, errors=stdout.errors, line_buffering=True)
