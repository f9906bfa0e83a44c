"""Tests of a job's port: who is let in over TLS, who is not, and that strangers harm neither rank 0 nor clients."""

import os
import random
import resource
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import tls_connect, tls_contexts, tls_listener, tls_process
from joblib_mpi.serving.addresses import Address
from support.sockets import is_running
from support.time_limits import TIMEOUT_SECONDS
from support.tls_job import TlsJob, children, echoed, received, wait_until

pytest.importorskip("cryptography")

#: The number of handshakes with random bytes; .ci/nightly does many more.
N_HANDSHAKES = int(os.environ.get("JOBLIB_MPI_TEST_HANDSHAKES", "300"))
DATA = random.Random(15).randbytes(3_000_000)


@pytest.fixture(autouse=True)
def state_folder(tmp_path, monkeypatch):
    """Let the user have no access files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def make_job():
    """Return a function that makes a `TlsJob`."""
    jobs = []

    def make(**settings):
        jobs.append(TlsJob(**settings))
        return jobs[-1]

    yield make
    for job in jobs:
        job.end()


@pytest.fixture
def job(make_job):
    """Return a `TlsJob`."""
    return make_job()


def join(job):
    """Return a connection that has joined the job, as its first bytes tell."""
    connection = tls_connect.connect(job.path)
    connection.settimeout(TIMEOUT_SECONDS)
    assert echoed(connection, b"first") == b"first"
    return connection


def is_refused(connection):
    """Return whether the job ends a connection without a byte of rank 0's; alerts of TLS are no such bytes."""
    try:
        return connection.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True


def refused_context(job, maximum=ssl.TLSVersion.MAXIMUM_SUPPORTED, keys=None):
    """Return a context that trusts the job, and has the client's key that is given or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=job.access.server_certificate)
    context.maximum_version = maximum
    if keys is not None:
        other = tls_contexts.client_context(keys.client_certificate, keys.client_key, job.access.server_certificate)
        other.maximum_version = maximum
        return other
    return context


def test_bytes_pass_both_ways_unchanged_and_the_end_is_passed_on(job):
    relay, end = job.start_relay()
    assert echoed(end, DATA) == DATA
    end.shutdown(socket.SHUT_WR)
    assert end.recv(1) == b""
    assert (relay.wait(TIMEOUT_SECONDS), relay.stderr.read()) == (0, "")
    wait_until(lambda: children(job.pid) == [])


def test_what_a_client_says_last_arrives_though_it_reads_nothing_more(job):
    got = []
    job.rank0._echo = lambda connection: got.append(received(connection, len(DATA) + 1))
    relay, end = job.start_relay()
    end.sendall(DATA)
    end.close()
    wait_until(lambda: got)
    assert got == [DATA]
    job.rank0.close()
    assert relay.wait(TIMEOUT_SECONDS) == 0


def test_several_clients_are_joined_at_the_same_time(job):
    clients = [join(job) for _ in range(3)]
    for number, client in enumerate(clients):
        data = DATA[number:]
        assert echoed(client, data) == data
    assert job.rank0.n_clients == 3
    assert len(children(job.pid)) == 3


def test_the_connection_is_tls_1_3_with_the_certificate_of_the_job(job):
    connection = join(job)
    assert connection.version() == "TLSv1.3"
    assert tls_contexts.has_certificate(connection, job.access.server_certificate)
    assert not tls_contexts.has_certificate(connection, job.access.client_certificate)


def test_a_client_without_a_key_is_refused(job):
    with refused_context(job).wrap_socket(job.connect()) as connection:
        assert is_refused(connection)
    assert job.rank0.n_clients == 0


def test_a_client_with_the_key_of_another_job_is_refused(make_job):
    job, other = make_job(), make_job(name="other")
    with refused_context(job, keys=other.process.keys).wrap_socket(job.connect()) as connection:
        assert is_refused(connection)
    assert job.rank0.n_clients == 0


def test_the_certificate_of_the_clients_is_of_no_use_without_its_key(job):
    other = tls_process.make_keys()
    with pytest.raises(ssl.SSLError, match=r"(?i)mismatch"):
        tls_contexts.client_context(job.access.client_certificate, other.client_key, job.access.server_certificate)


def test_a_job_does_not_pass_for_another_one(make_job):
    job, other = make_job(), make_job(name="other")
    with pytest.raises(SessionError, match=rf"{other.address} is not the job one, whose key is in .*one.json"):
        tls_connect.connect(job.path, str(other.address))
    assert other.rank0.n_clients == 0


def test_a_client_with_all_of_the_job_that_is_not_its_own_key_does_not_pass_for_the_job(job):
    # The client's certificate is trusted by the job alone.
    context = tls_contexts.server_context(
        job.access.client_certificate, job.access.client_key, job.access.client_certificate
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer_once, args=(listener, context), daemon=True).start()
        with pytest.raises(SessionError, match="is not the job one"):
            tls_connect.connect(job.path, "{}:{}".format(*listener.getsockname()))


def answer_once(listener, context):
    """Accept a connection and shake hands, as far as the other side does."""
    accepted, _ = listener.accept()
    try:
        context.wrap_socket(accepted, server_side=True).close()
    except OSError:
        accepted.close()


def test_tls_1_2_is_refused_although_the_key_is_right(job):
    context = refused_context(job, ssl.TLSVersion.TLSv1_2, job.process.keys)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(job.connect())
    assert job.rank0.n_clients == 0


def test_a_client_accepts_no_older_version_than_tls_1_3(job):
    keys = job.process.keys
    context = tls_contexts.server_context(keys.server_certificate, keys.server_key, keys.client_certificate)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer_once, args=(listener, context), daemon=True).start()
        with pytest.raises(SessionError, match=r"does not answer as the job one with TLS 1.3"):
            tls_connect.connect(job.path, "{}:{}".format(*listener.getsockname()))


def test_plain_text_is_refused(job):
    with job.connect() as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while data := answer(connection):
            assert data[0] == 21, data  # an alert of TLS
    assert job.rank0.n_clients == 0


def answer(connection):
    """Return what comes, or nothing if the connection has ended."""
    try:
        return connection.recv(1000)
    except ConnectionError:
        return b""


def test_an_access_file_that_others_may_read_is_refused(job):
    os.chmod(job.path, 0o644)
    relay, end = job.start_relay()
    assert end.recv(1) == b""
    assert relay.wait(TIMEOUT_SECONDS) == 1
    assert "has mode 0644" in relay.stderr.read()
    os.chmod(job.path, 0o600)
    join(job).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_of_the_machine_cannot_join(job):
    tries = """if True:
        import socket, ssl, sys
        path, host, port = sys.argv[1:]
        try:
            print(open(path).read())
        except PermissionError:
            print("denied")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = socket.create_connection((host, int(port)))
        try:
            with context.wrap_socket(connection) as secured:
                print("joined" if secured.recv(1) else "refused")
        except OSError:
            print("refused")
    """
    tried = subprocess.run(
        [
            *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-I", "-c"),
            *(tries, job.path, job.address.host, str(job.address.port)),
        ],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=TIMEOUT_SECONDS,
    )
    assert (tried.returncode, tried.stdout) == (0, "denied\nrefused\n"), tried
    assert job.rank0.n_clients == 0
    join(job).close()


def test_random_and_truncated_handshakes_are_refused_and_clients_go_on(job):
    client = join(job)
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
    join(job).close()
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


def test_thousands_of_half_open_connections_leave_clients_unharmed_and_let_new_ones_in(make_job):
    job = make_job(n_files=1024)
    client = join(job)
    with many_files() as most:
        strangers = [job.connect() for _ in range(min(3000, most - 200))]
        assert echoed(client, DATA) == DATA
        join(job).close()
        for stranger in strangers[::2]:
            stranger.close()
        join(job).close()
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


def test_without_descriptors_the_oldest_strangers_make_room(make_job):
    job = make_job()
    client = join(job)
    # Fewer than the listener believes to have: accepting fails.
    resource.prlimit(job.pid, resource.RLIMIT_NOFILE, (20, 20))
    strangers = [job.connect() for _ in range(100)]
    assert strangers[0].recv(1) == b""
    assert echoed(client, DATA) == DATA
    join(job).close()
    for stranger in strangers:
        stranger.close()
    join(job).close()


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
            with join(job) as client:
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


def test_no_private_key_is_in_a_command_line_or_an_environment(job):
    relay, end = job.start_relay()
    assert echoed(end, b"joined") == b"joined"
    for process in (job.pid, *children(job.pid), relay.pid):
        for name in ("cmdline", "environ"):
            with open(f"/proc/{process}/{name}", "rb") as file:
                assert b"PRIVATE KEY" not in file.read()
    end.close()
    relay.wait(TIMEOUT_SECONDS)


def test_the_end_of_a_job_ends_its_relays_and_their_other_ends(job):
    relay, end = job.start_relay()
    assert echoed(end, b"joined") == b"joined"
    copiers = children(job.pid)
    job.rank0.close()
    assert end.recv(1) == b""
    assert relay.wait(TIMEOUT_SECONDS) == 0
    wait_until(lambda: not any(map(is_running, copiers)))


def test_a_relay_that_is_killed_ends_its_other_end(job):
    relay, end = job.start_relay()
    assert echoed(end, b"joined") == b"joined"
    relay.kill()
    relay.wait(TIMEOUT_SECONDS)
    wait_until(lambda: children(job.pid) == [])
    wait_until(lambda: job.rank0.connections[0].fileno() == -1)


def test_a_client_goes_on_when_the_process_that_let_it_in_is_killed(job):
    client = join(job)
    os.kill(job.pid, signal.SIGKILL)
    wait_until(lambda: job.process.has_ended)
    assert echoed(client, DATA) == DATA
    with pytest.raises(SessionError, match=rf"nothing answers at {job.address} \(Connection refused\)"):
        tls_connect.connect(job.path)


def test_the_port_is_closed_when_rank_0_is_killed():
    rank0 = """if True:
        import time
        from joblib_mpi.serving.addresses import Address
        from joblib_mpi.serving.tls_process import TlsProcess
        process = TlsProcess(Address("127.0.0.1", 0))
        process.start("/none")
        print(process._process.pid, process.address.port, flush=True)
        time.sleep(3600)
    """
    process = subprocess.Popen([sys.executable, "-c", rank0], stdout=subprocess.PIPE, text=True)
    listener, port = map(int, process.stdout.readline().split())
    socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS).close()
    process.kill()
    process.wait(TIMEOUT_SECONDS)
    process.stdout.close()
    descriptor = os.pidfd_open(listener)
    assert select.select([descriptor], [], [], TIMEOUT_SECONDS)[0]
    os.close(descriptor)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)


def test_it_listens_at_one_ipv6_address(make_job):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this host")
    job = make_job(address=Address("::1", 0))
    assert job.access.address.startswith("[::1]:")
    join(job).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", job.address.port), TIMEOUT_SECONDS)


@pytest.mark.parametrize("package", ["cryptography.x509", "ssl"])
def test_without_a_package_one_sentence_says_what_to_install(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SessionError, match=r"^--listen needs .*(joblib-mpi\[listen\]|use another Python)") as raised:
        tls_process.TlsProcess(Address("127.0.0.1", 0))
    assert "\n" not in str(raised.value)
