"""Running processes and their TCP sockets, from /proc."""

import re
from pathlib import Path

#: Address 127.0.0.1 and ::1 as /proc/net/tcp and tcp6 print them, which both are in the machine's order of bytes.
LOOPBACK = ("0100007F", "0" * 24 + "01000000")
LISTENING = "0A"


def processes_below(process):
    """Return the ids of all descendants of `process`, an id, without itself."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *processes_below(int(child))]
    return found


def open_ports(process):
    """Return the ports on which `process`, an id, listens for other hosts."""
    listening = {}
    for family in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == LISTENING and address not in LOOPBACK:
                listening[fields[9]] = int(port, 16)
    ports = []
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        try:
            socket = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
        except FileNotFoundError:  # closed since the folder was listed
            continue
        if socket and socket[1] in listening:
            ports.append(listening[socket[1]])
    return ports


def is_running(process):
    """Return whether there is a process of that id which has not ended."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False
