"""The folder of the socket at which rank 0 waits for clients: no other user can enter it."""

import os
import pwd
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress

from joblib_mpi._core import SessionError

_PREFIX = "joblib-mpi-serve-"
_NAME = "socket"
#: The longest path that fits into the address of a Unix socket, whose last byte is 0.
_MOST_BYTES = 107


def make(note: Callable[[str], None] = lambda path: None) -> str:
    """Make a folder for a socket, and return the path that the socket is to have there.

    ``note`` is called with that path before there is a folder, so that Ctrl-C leaves none which no object knows.

    The folder lies in XDG_RUNTIME_DIR if that lasts as long as the job, else in TMPDIR, else in /tmp. Raises
    SessionError if none of them can be used.
    """
    refusals = []
    for parent in _parents():
        folder = os.path.join(parent, _PREFIX + secrets.token_hex(4))
        path = os.path.join(folder, _NAME)
        if len(os.fsencode(path)) > _MOST_BYTES:
            refusals.append(f"{parent} has a longer path than a socket can have")
            continue
        note(path)
        try:
            os.mkdir(folder, 0o700)
        except OSError as error:
            refusals.append(f"{parent}: {error.strerror}")
        else:
            return path
    raise SessionError(
        f"no folder can be made for the socket of clients ({'; '.join(refusals)}); set TMPDIR to a folder on this host "
        "in which this user may write"
    )


def remove(socket_path: str) -> None:
    """Remove a socket and its folder, as far as they exist and are what `make` has made."""
    folder = os.path.dirname(socket_path)
    if not os.path.basename(folder).startswith(_PREFIX):
        return
    for _ in range(2):  # rank 0 may be making its socket at this moment, which it does once
        with suppress(OSError):
            if stat.S_ISSOCK(os.lstat(socket_path).st_mode):
                os.unlink(socket_path)
        with suppress(OSError):
            os.rmdir(folder)
            return


def freshen(socket_path: str) -> None:
    """Give a socket and its folder the current time, so that what cleans temporary folders leaves them alone."""
    with suppress(OSError):
        os.utime(socket_path)
        os.utime(os.path.dirname(socket_path))


def _parents() -> list[str]:
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    parents = [runtime] if _lasts_and_is_own(runtime) else []
    temporary = os.environ.get("TMPDIR")
    return [*parents, *([os.path.abspath(temporary)] if temporary else []), "/tmp"]


def _lasts_and_is_own(folder: str) -> bool:
    if not os.path.isabs(folder):
        return False
    try:
        status = os.stat(folder)
        name = pwd.getpwuid(os.geteuid()).pw_name
    except (OSError, KeyError):
        return False
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        return False
    # systemd removes its folder when the user's last login ends, which a job may outlive, unless the user "lingers".
    is_systemds = os.path.realpath(folder) == f"/run/user/{os.geteuid()}"
    return not is_systemds or os.path.exists(f"/var/lib/systemd/linger/{name}")
