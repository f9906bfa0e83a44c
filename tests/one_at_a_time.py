#!/usr/bin/env python3
"""Runs a command while no other run on this machine runs one of the same name: tests that need most of its memory.

one_at_a_time.py NAME COMMAND...

The name is a socket's in the abstract namespace, so it is free again however this process ends, and is the same for all
users and in a chroot.
"""

import os
import socket
import sys
import time

_PAUSE_SECONDS = 0.2


def main() -> None:
    """Wait for the name, and become the command, which inherits it."""
    name, *command = sys.argv[1:]
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    while True:
        try:
            holder.bind(f"\0joblib-mpi test {name}")
            break
        except OSError:  # somebody else has it
            time.sleep(_PAUSE_SECONDS)
    holder.set_inheritable(True)
    os.execvp(command[0], command)


main()
