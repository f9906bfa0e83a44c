"""Tests of a job's port: clients are let in over TLS, and it ends with the job."""

import os
import random
import select
import signal
import socket
import subprocess
import sys

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import tls_connect, tls_contexts, tls_process
from joblib_mpi.serving.addresses import Address
from support.sockets import is_running
from support.time_limits import TIMEOUT_SECONDS
from support.tls_job import children, echoed, received, wait_until

pytest.importorskip("cryptography")

DATA = random.Random(15).randbytes(3_000_000)


@pytest.fixture
def job(make_tls_job):
    """Return a `TlsJob`."""
    return make_tls_job()


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
    clients = [job.join() for _ in range(3)]
    for number, client in enumerate(clients):
        data = DATA[number:]
        assert echoed(client, data) == data
    assert job.rank0.n_clients == 3
    assert len(children(job.pid)) == 3


def test_the_connection_is_tls_1_3_with_the_certificate_of_the_job(job):
    connection = job.join()
    assert connection.version() == "TLSv1.3"
    assert tls_contexts.has_certificate(connection, job.access.server_certificate)
    assert not tls_contexts.has_certificate(connection, job.access.client_certificate)


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
    client = job.join()
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
    descriptor = os.pidfd_open(listener)
    process.kill()
    process.wait(TIMEOUT_SECONDS)
    process.stdout.close()
    assert select.select([descriptor], [], [], TIMEOUT_SECONDS)[0]
    os.close(descriptor)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)


def test_it_listens_at_one_ipv6_address(make_tls_job):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this host")
    job = make_tls_job(address=Address("::1", 0))
    assert job.access.address.startswith("[::1]:")
    job.join().close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", job.address.port), TIMEOUT_SECONDS)


@pytest.mark.parametrize("package", ["cryptography.x509", "ssl"])
def test_without_a_package_one_sentence_says_what_to_install(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SessionError, match=r"^--listen needs .*(joblib-mpi\[listen\]|use another Python)") as raised:
        tls_process.TlsProcess(Address("127.0.0.1", 0))
    assert "\n" not in str(raised.value)
