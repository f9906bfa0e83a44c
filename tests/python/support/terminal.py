"""A pseudo-terminal in which a command runs, and the user before it."""

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time

import pytest

from support.time_limits import TIMEOUT_SECONDS

INTERRUPT, SUSPEND, END_OF_INPUT = "\x03", "\x1a", "\x04"


class Terminal:
    """A terminal whose session a command leads, as a login shell does.

    Parameters
    ----------
    command : list of str
        The command and its arguments.
    size : tuple of int
        Rows and columns.
    stdin, stdout, stderr : file, optional
        What the command has instead of the terminal.
    settings
        Further arguments of `subprocess.Popen`.
    """

    def __init__(self, command, *, size=(24, 80), stdin=None, stdout=None, stderr=None, **settings):
        self._keyboard, end = os.openpty()
        self.resize(*size)
        streams = [end if stream is None else stream for stream in (stdin, stdout, stderr)]
        self.process = subprocess.Popen(
            command,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(end, termios.TIOCSCTTY, 0),
            **settings,
        )
        os.close(end)
        self.shown = ""
        self._n_expected = 0

    def resize(self, rows, columns):
        """Give the terminal another size."""
        fcntl.ioctl(self._keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        """Press `keys`."""
        os.write(self._keyboard, keys.encode())

    def expect(self, pattern):
        """Wait until a match of the regular expression `pattern` is shown after the last one, and return it."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (match := re.compile(pattern).search(self.shown, self._n_expected)) is None:
            if not self._read(deadline):
                self.process.kill()
                pytest.fail(f"{pattern!r} is not shown\n{self.shown}")
        self._n_expected = match.end()
        return match

    def finish(self):
        """Wait until the command has ended, and return its status."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self._read(time.monotonic() + 0.05)
        while self._read(time.monotonic()):
            pass
        os.close(self._keyboard)
        if self.process.poll() is None:
            self.process.kill()
            pytest.fail(f"no end\n{self.shown}")
        return self.process.returncode

    def _read(self, deadline):
        """Add to `shown` what the command writes before `deadline`; return False if that is nothing."""
        readable, _, _ = select.select([self._keyboard], [], [], max(0, deadline - time.monotonic()))
        try:
            piece = os.read(self._keyboard, 65536) if readable else b""
        except OSError:  # no process has the terminal any more
            time.sleep(0.01)
            piece = b""
        self.shown += piece.decode(errors="replace")
        return bool(piece)
