"""A double of a job that lets clients in over TLS: rank 0's socket is in this process, the listener is the real one."""

import os
import resource
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from joblib_mpi.serving import access, access_files, tls_connect, tls_routes
from joblib_mpi.serving.addresses import Address
from joblib_mpi.serving.tls_process import TlsProcess
from support.serving_double import access_to
from support.time_limits import TIMEOUT_SECONDS

NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
#: Any free port of this host alone.
ANY_PORT = Address("127.0.0.1", 0)


class TlsJob:
    """A job whose rank 0 sends back what it gets.

    Parameters
    ----------
    address : Address, optional
        The address at which it listens.
    name : str, optional
        The job's name.
    n_files : int, optional
        The number of files that the listener may open, by default as many as this process.
    """

    def __init__(self, address=ANY_PORT, name="one", n_files=None):
        self._folder = Path(tempfile.mkdtemp(prefix="jm"))
        path = str(self._folder / "socket")
        self.rank0 = EchoingRank0(path)
        self.process = TlsProcess(address)
        with file_limit(n_files):
            self.process.start(path)
        self.address = self.process.address
        keys = self.process.keys
        self.access = access.publish(
            access_to(
                path,
                job=name,
                address=str(self.address),
                server_certificate=keys.server_certificate,
                client_certificate=keys.client_certificate,
                client_key=keys.client_key,
            )
        )
        self.path = access_files.path_of(name)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self):
        # A relay waits for a limited time, which the start of the listener may take on a busy machine.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.wrap_socket(self.connect()).close()

    @property
    def pid(self):
        """The id of the process that listens."""
        return self.process._process.pid

    def start_relay(self, *address, path=None):
        """Start a relay to this job; return its `subprocess.Popen` and the client's end of its stdin and stdout."""
        ours, theirs = socket.socketpair()
        ours.settimeout(TIMEOUT_SECONDS)
        with theirs:
            relay = subprocess.Popen(
                tls_routes.relay_command(path or self.path, *address),
                stdin=theirs,
                stdout=theirs,
                stderr=subprocess.PIPE,
                text=True,
            )
        return relay, ours

    def connect(self):
        """Return a connection without TLS to where the job listens."""
        connection = socket.create_connection(self.address, TIMEOUT_SECONDS)
        connection.settimeout(TIMEOUT_SECONDS)
        return connection

    def join(self):
        """Return a connection that has joined the job, as its first bytes tell."""
        connection = tls_connect.connect(self.path)
        connection.settimeout(TIMEOUT_SECONDS)
        assert echoed(connection, b"first") == b"first"
        return connection

    def end(self):
        """End everything."""
        access.forget(self.access)
        self.process.end()
        self.rank0.close()
        shutil.rmtree(self._folder)


class EchoingRank0:
    """Rank 0's socket: what a client sends comes back."""

    def __init__(self, path):
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen()
        self.n_clients = 0
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.n_clients += 1
            self.connections.append(connection)
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection):
        try:
            while data := connection.recv(1 << 16):
                connection.sendall(data)
        except OSError:
            pass
        connection.close()

    def close(self):
        """Close the socket, and with it the connections of clients."""
        for end in [self._listener, *self.connections]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()


@contextmanager
def file_limit(n_files):
    """Let processes that are started in this context open that many files, or as many as this one if it is None."""
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    if n_files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (n_files, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, former)


def echoed(end, data):
    """Send data through one end of a connection, and return what comes back, as much as that.

    One thread does both: OpenSSL allows no two of them at one connection.
    """
    left, parts, nbytes = memoryview(data), [], 0
    timeout = end.gettimeout()
    end.setblocking(False)
    while nbytes < len(data):
        with suppress(*NOT_NOW):
            while left:
                left = left[end.send(left) :]
        try:
            part = end.recv(1 << 16)
        except NOT_NOW:
            poll = select.poll()  # unlike select, it takes all descriptors
            poll.register(end, select.POLLIN | (select.POLLOUT if left else 0))
            assert poll.poll(TIMEOUT_SECONDS * 1000)
            continue
        if not part:
            break
        parts.append(part)
        nbytes += len(part)
    end.settimeout(timeout)
    return b"".join(parts)


def answer(connection):
    """Return what the other end of a connection says, or nothing if it has ended it; alerts of TLS are no answer."""
    try:
        return connection.recv(1000)
    except (ssl.SSLError, ConnectionError):
        return b""


def received(end, nbytes):
    """Return that many bytes, or fewer if the connection ends."""
    parts = []
    while nbytes > 0 and (data := end.recv(nbytes)):
        parts.append(data)
        nbytes -= len(data)
    return b"".join(parts)


def wait_until(condition):
    """Wait until `condition()` is true."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children(process):
    """Return the ids of the processes that a process has started and that run."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == process and fields[0] not in (b"Z", b"X"):
                found.append(int(name))
    return found
