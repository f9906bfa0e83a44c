"""Runs the given command in a new terminal, types at its prompt, and reads its output."""

import os
import pty
import select
import sys
import time

#: The time limit for an answer, far longer than any takes.
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
        """Read until ``text`` appears; exit with an error if it does not."""
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
        """Return the command's exit status; exit with an error if the command does not end."""
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
# The expected output must differ from the typed text, which the terminal also shows.
terminal.type("len(set(Parallel()(delayed(socket.gethostname)() for _ in range(30)))) + 40\n")
terminal.read_until("\n42\r\n")
terminal.type("print('calling', 6 * 7); Parallel()(delayed(time.sleep)(600) for _ in range(30))\n")
terminal.read_until("calling 42")
terminal.type("\x03")
terminal.read_until("KeyboardInterrupt")
terminal.read_until(">>> ")
terminal.type("sum(Parallel()(delayed(abs)(-i) for i in range(100)))\n")
terminal.read_until("\n4950\r\n")
# Wait for the prompt: an end of input typed earlier would be lost when readline takes over the terminal.
terminal.read_until(">>> ")
terminal.type("\x04")
status = terminal.ends_with_status()
sys.exit(f"FAILED: ended with status {status}" if status else 0)
