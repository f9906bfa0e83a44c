"""Tests that a job's port lets no one in without the keys of the access file, and that no other job passes for it."""

import os
import socket
import ssl
import subprocess
import threading

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import tls_connect, tls_contexts, tls_process
from support.time_limits import TIMEOUT_SECONDS
from support.tls_job import answer

pytest.importorskip("cryptography")


@pytest.fixture
def job(make_tls_job):
    """Return a `TlsJob`."""
    return make_tls_job()


def context_without_key(job):
    """Return a context that trusts the job, and has no own key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=job.access.server_certificate)
    return context


def context_with(keys, job):
    """Return a context that trusts the job, and has the key of these as its own."""
    return tls_contexts.client_context(keys.client_certificate, keys.client_key, job.access.server_certificate)


def test_a_client_without_a_key_is_refused(job):
    with context_without_key(job).wrap_socket(job.connect()) as connection:
        assert answer(connection) == b""
    assert job.rank0.n_clients == 0


def test_a_client_with_the_key_of_another_job_is_refused(make_tls_job):
    job, other = make_tls_job(), make_tls_job(name="other")
    with context_with(other.process.keys, job).wrap_socket(job.connect()) as connection:
        assert answer(connection) == b""
    assert job.rank0.n_clients == 0


def test_the_certificate_of_the_clients_is_of_no_use_without_its_key(job):
    other = tls_process.make_keys()
    with pytest.raises(ssl.SSLError, match=r"(?i)mismatch"):
        tls_contexts.client_context(job.access.client_certificate, other.client_key, job.access.server_certificate)


def test_a_job_does_not_pass_for_another_one(make_tls_job):
    job, other = make_tls_job(), make_tls_job(name="other")
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
    context = context_with(job.process.keys, job)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
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


def test_an_access_file_that_others_may_read_is_refused(job):
    os.chmod(job.path, 0o644)
    relay, end = job.start_relay()
    assert end.recv(1) == b""
    assert relay.wait(TIMEOUT_SECONDS) == 1
    assert "has mode 0644" in relay.stderr.read()
    os.chmod(job.path, 0o600)
    job.join().close()


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
    job.join().close()
