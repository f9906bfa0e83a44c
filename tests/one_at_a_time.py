#!/usr/bin/env python3
"""Runs a command while nothing else on this machine runs under that name, for tests that need most of its memory.

one_at_a_time.py NAME COMMAND...

The name is that of a socket in the abstract namespace. So it is free again however this process ends, and all users and
chroots share it.
"""

import os
import socket
import sys
import time

_PAUSE_SECONDS = 0.2


def wait_for_turn(name: str) -> socket.socket:
    """Wait until no other process has the name, and return what holds it until it is closed."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    while True:
        try:
            holder.bind(f"\0joblib-mpi test {name}")
        except OSError:  # another process has it
            time.sleep(_PAUSE_SECONDS)
        else:
            return holder


def main() -> None:
    """Wait for the name, then replace this process by the command, which inherits the name."""
    name, *command = sys.argv[1:]
    turn = wait_for_turn(name)
    turn.set_inheritable(True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
