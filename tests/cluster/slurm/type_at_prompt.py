"""Types at the prompt of the command given, in a terminal of its own, and reads what comes back."""

import os
import pty
import select
import sys
import time

#: Far more than any answer takes.
SECONDS = 120


class Terminal:
    """A command in a terminal."""

    def __init__(self, command):
        self.process, self._terminal = pty.fork()
        if self.process == 0:
            os.execvp(command[0], command)
        self._unread = ""

    def type(self, text):
        os.write(self._terminal, text.encode())

    def read_until(self, text):
        """Read up to ``text``, which must come."""
        deadline = time.monotonic() + SECONDS
        while text not in self._unread:
            ready, _, _ = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))
            try:
                read = os.read(self._terminal, 4096).decode(errors="replace") if ready else ""
            except OSError:  # the command has ended
                read = ""
            sys.stdout.write(read)
            sys.stdout.flush()
            if not read:
                sys.exit(f"FAILED: no {text!r}")
            self._unread += read
        self._unread = self._unread.split(text, 1)[1]

    def ends_with_status(self):
        """Return the command's exit status; it must come to its end."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process == self.process:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.1)
        sys.exit("FAILED: the command has not ended")


terminal = Terminal(sys.argv[1:])
terminal.read_until(">>> ")
terminal.type("import socket, time; from joblib import Parallel, delayed, parallel_config\n")
terminal.read_until(">>> ")
terminal.type("config = parallel_config(backend='mpi')\n")
terminal.read_until(">>> ")
# What comes back must not be what was typed, which the terminal shows, too.
terminal.type("len(set(Parallel()(delayed(socket.gethostname)() for _ in range(30)))) + 40\n")
terminal.read_until("\n42\r\n")
terminal.type("print('calling', 6 * 7); Parallel()(delayed(time.sleep)(600) for _ in range(30))\n")
terminal.read_until("calling 42")
terminal.type("\x03")
terminal.read_until("KeyboardInterrupt")
terminal.read_until(">>> ")
terminal.type("sum(Parallel()(delayed(abs)(-i) for i in range(100)))\n")
terminal.read_until("\n4950\r\n")
# Typed before the prompt is there, the end of the input would be lost when readline takes the terminal over.
terminal.read_until(">>> ")
terminal.type("\x04")
status = terminal.ends_with_status()
sys.exit(f"FAILED: ended with status {status}" if status else 0)
