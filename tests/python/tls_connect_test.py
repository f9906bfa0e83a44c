"""Tests of what a relay over TLS says when it cannot reach a job; tls_listener_test.py has it reach one."""

import socket
import threading

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import access, access_files, tls_connect, tls_keys
from support.serving_double import access_to
from support.time_limits import TIMEOUT_SECONDS

pytest.importorskip("cryptography")


@pytest.fixture(autouse=True)
def state_folder(tmp_path, monkeypatch):
    """Let the user have no access files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def keys():
    """Return the parts of the keys of a job that are in its access file."""
    made = tls_keys.make_keys()._asdict()
    return {name: made[name] for name in ("server_certificate", "client_certificate", "client_key")}


def path_of_access(**changes):
    return access_files.path_of(access.publish(access_to("/none", job="one", **changes)).job)


@pytest.mark.parametrize("missing", ["server_certificate", "client_certificate", "client_key"])
def test_a_file_with_an_address_but_without_keys_is_refused(keys, missing):
    path = path_of_access(address="127.0.0.1:1", **{**keys, missing: None})
    with pytest.raises(SessionError, match=r"one\.json has an address but no keys; copy it again"):
        tls_connect.connect(path)


@pytest.mark.parametrize("damaged", ["server_certificate", "client_certificate", "client_key"])
@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_damaged_keys_are_named_with_the_file(keys, damaged, text):
    path = path_of_access(address="127.0.0.1:1", **{**keys, damaged: text})
    with pytest.raises(
        SessionError, match=r"the keys in the access file .*one\.json cannot be read \(.+\); copy it again"
    ):
        tls_connect.connect(path)


def test_a_job_without_an_address_is_said_to_have_none():
    with pytest.raises(SessionError, match="the job one listens at no address"):
        tls_connect.connect(path_of_access())


def test_an_address_at_which_nothing_listens_is_named_with_another_way(keys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(SessionError, match=rf"nothing answers at {address} \(Connection refused\).*ssh:"):
        tls_connect.connect(path_of_access(address=address, **keys))


def test_what_speaks_no_tls_is_not_taken_for_the_job(keys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        path = path_of_access(address=f"127.0.0.1:{listener.getsockname()[1]}", **keys)

        def greet():
            accepted, _ = listener.accept()
            accepted.sendall(b"220 mail.example.org ready\r\n")
            accepted.recv(10000)
            accepted.close()

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        with pytest.raises(SessionError, match="does not answer as the job one with TLS"):
            tls_connect.connect(path)
        thread.join(TIMEOUT_SECONDS)


@pytest.mark.parametrize("words", [[], ["one", "two", "three"]])
def test_wrong_words_are_refused_with_the_usage(capsys, words):
    assert tls_connect.main(words) == 2
    assert "usage: python -m joblib_mpi.serving.tls_connect ACCESS_FILE [HOST:PORT]" in capsys.readouterr().err


def test_a_file_that_is_missing_is_named(capsys, monkeypatch):
    monkeypatch.setattr(tls_connect.signal, "signal", lambda *ignored: None)  # Ctrl-C is for the tests
    assert tls_connect.main(["/none.json"]) == 1
    assert "there is no access file /none.json; copy it from the host of the job" in capsys.readouterr().err
