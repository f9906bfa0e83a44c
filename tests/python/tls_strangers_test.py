"""Tests that strangers at a job's port, however many, harm neither rank 0 nor clients."""

import os
import random
import resource
import socket
import ssl
import threading

import pytest

from joblib_mpi.serving import tls_contexts, tls_listener, tls_process
from support.time_limits import TIMEOUT_SECONDS
from support.tls_job import answer, echoed, wait_until

pytest.importorskip("cryptography")

#: The number of handshakes with random bytes; .ci/nightly does many more.
N_HANDSHAKES = int(os.environ.get("JOBLIB_MPI_TEST_HANDSHAKES", "300"))
DATA = random.Random(15).randbytes(3_000_000)


@pytest.fixture
def job(make_tls_job):
    """Return a `TlsJob`."""
    return make_tls_job()


def test_random_and_truncated_handshakes_are_refused_and_clients_go_on(job):
    client = job.join()
    hello = first_bytes_of_a_client(job)
    chance = random.Random(N_HANDSHAKES)
    for number in range(N_HANDSHAKES):
        with job.connect() as connection:
            try:
                connection.sendall(fuzzed(hello, chance))
                # The job waits for the rest of what is not wrong yet; then the stranger is the one to go.
                connection.shutdown(socket.SHUT_WR)
                while answer(connection):
                    pass
            except OSError:  # refused already
                pass
        if number % 1000 == 0:
            assert echoed(client, b"goes on") == b"goes on"
    assert echoed(client, DATA) == DATA
    job.join().close()
    assert job.rank0.n_clients == 2


def first_bytes_of_a_client(job):
    """Return what a client with the right key sends first."""
    keys = job.process.keys
    context = tls_contexts.client_context(keys.client_certificate, keys.client_key, keys.server_certificate)
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


def fuzzed(hello, chance):
    """Return random bytes, or the first bytes of a client, cut off, changed, or followed by others."""
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 2000))
    if kind == 1:
        return hello[: chance.randrange(len(hello))]
    changed = bytearray(hello)
    for _ in range(chance.randrange(1, 20)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    if kind == 2:
        return bytes(changed)
    if kind == 3:
        return hello + chance.randbytes(chance.randrange(1, 2000))
    return b"\x16\x03\x01" + chance.randrange(1 << 16).to_bytes(2, "big") + chance.randbytes(chance.randrange(500))


def test_thousands_of_half_open_connections_leave_clients_unharmed_and_let_new_ones_in(make_tls_job):
    job = make_tls_job(n_files=1024)
    client = job.join()
    with many_files() as most:
        strangers = [job.connect() for _ in range(min(3000, most - 200))]
        assert echoed(client, DATA) == DATA
        job.join().close()
        for stranger in strangers[::2]:
            stranger.close()
        job.join().close()
        for stranger in strangers:
            stranger.close()
    assert echoed(client, DATA) == DATA
    assert job.rank0.n_clients == 3


class many_files:  # noqa: N801
    """A context in which this process may open as many files as it may allow itself."""

    def __enter__(self):
        self._former = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = self._former[1] if self._former[1] != resource.RLIM_INFINITY else 4096
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, self._former[1]))
        return most

    def __exit__(self, *error):
        resource.setrlimit(resource.RLIMIT_NOFILE, self._former)


def test_without_descriptors_the_oldest_strangers_make_room(make_tls_job):
    job = make_tls_job()
    client = job.join()
    # Fewer than the listener believes to have: accepting fails.
    resource.prlimit(job.pid, resource.RLIMIT_NOFILE, (20, 20))
    strangers = [job.connect() for _ in range(100)]
    assert strangers[0].recv(1) == b""
    assert echoed(client, DATA) == DATA
    job.join().close()
    for stranger in strangers:
        stranger.close()
    job.join().close()


def test_a_flood_of_strangers_that_come_and_go_lets_clients_in(job):
    over = threading.Event()
    n_strangers = []

    def flood():
        while not over.is_set():
            with job.connect() as stranger:
                stranger.sendall(b"\x16\x03\x01\x02\x00")
                n_strangers.append(1)

    floods = [threading.Thread(target=flood, daemon=True) for _ in range(4)]
    for thread in floods:
        thread.start()
    wait_until(lambda: len(n_strangers) > 20)
    try:
        for _ in range(3):
            with job.join() as client:
                assert echoed(client, b"in between") == b"in between"
    finally:
        over.set()
        for thread in floods:
            thread.join(TIMEOUT_SECONDS)
    assert job.rank0.n_clients == 3


@pytest.fixture
def entrance(monkeypatch):
    """Return a function that runs an `Entrance` on a thread; it returns its address and the admitted connections."""
    ends = []

    def run(most_strangers, seconds=TIMEOUT_SECONDS):
        monkeypatch.setattr(tls_listener, "_HANDSHAKE_SECONDS", seconds)
        keys = tls_process.make_keys()
        context = tls_contexts.server_context(keys.server_certificate, keys.server_key, keys.client_certificate)
        listener = socket.create_server(("0.0.0.0", 0))
        listener.setblocking(False)
        admitted = []
        entrance = tls_listener.Entrance(listener, context, lambda one: admitted.append(one.version()), most_strangers)
        until, end = os.pipe()
        thread = threading.Thread(target=entrance.run, args=(until,), daemon=True)
        thread.start()
        ends.append((entrance, thread, until, end))
        return listener.getsockname()[1], keys, admitted

    yield run
    for entrance, thread, until, end in ends:
        os.close(end)
        thread.join(TIMEOUT_SECONDS)
        assert not thread.is_alive()
        entrance.close()
        os.close(until)


def test_a_stranger_that_says_nothing_is_dropped_after_the_time_for_a_handshake(entrance):
    port, _, _ = entrance(5, seconds=0.05)
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS) as stranger:
        assert stranger.recv(1) == b""


def test_strangers_of_one_host_do_not_keep_those_of_another_out(entrance):
    port, keys, admitted = entrance(4)
    early = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS, ("127.0.0.2", 0))
    flood = [socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS, ("127.0.0.3", 0)) for _ in range(8)]
    for stranger in flood[:5]:
        assert stranger.recv(1) == b""
    context = tls_contexts.client_context(keys.client_certificate, keys.client_key, keys.server_certificate)
    with context.wrap_socket(early) as connection:
        assert connection.recv(1) == b""
    assert admitted == ["TLSv1.3"]
    for stranger in flood:
        stranger.close()
