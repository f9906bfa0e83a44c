"""Rank 0's hold on the process that lets clients in over TLS."""

import json
import subprocess
from contextlib import suppress

from joblib_mpi.serving import addresses
from joblib_mpi.serving.addresses import Address
from joblib_mpi.serving.module_command import module_command
from joblib_mpi.serving.tls_keys import make_keys

#: The time for the process to end once its stdin is closed, before it is killed.
_END_SECONDS = 5.0


class TlsProcess:
    """A process beside rank 0 that lets clients in over TLS; it ends with rank 0, however that ends.

    Parameters
    ----------
    address : Address
        The address at which it is to listen, on this host.

    Raises
    ------
    SessionError
        It cannot listen there, or what makes keys is missing; the text says what to do.

    Attributes
    ----------
    address : Address
        The same with the port that it has got.
    keys : Keys
        The keys of both ends.
    """

    def __init__(self, address: Address) -> None:
        self.keys = make_keys()
        self._listener = addresses.bind(address)
        self.address = address._replace(port=self._listener.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, socket_path: str) -> None:
        """Start the process, which joins clients with rank 0's socket at that path. Those that came before wait."""
        number = self._listener.fileno()
        self._process = subprocess.Popen(
            module_command("joblib_mpi.serving.tls_listener"),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(number,),
            start_new_session=True,  # signals of the terminal are for rank 0
        )
        start = {
            "listener": number,
            "socket": socket_path,
            "server_certificate": self.keys.server_certificate,
            "server_key": self.keys.server_key,
            "client_certificate": self.keys.client_certificate,
        }
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # has_ended tells of it
            self._process.stdin.write(json.dumps(start).encode() + b"\n")
            self._process.stdin.flush()
        self._listener.close()

    @property
    def has_ended(self) -> bool:
        """True if the process has ended, although it was not told to."""
        return self._process is not None and self._process.poll() is not None

    def end(self) -> None:
        """End the process, if it was started, and give the port back; clients stay until rank 0 ends."""
        self._listener.close()
        if self._process is None:
            return
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
