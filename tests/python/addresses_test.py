"""Tests of addresses: how they are written, which this host can have, and which job listens at one."""

import os
import socket

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import access, access_files, addresses
from joblib_mpi.serving.addresses import Address
from support.serving_double import access_to

HERE = socket.gethostname()


@pytest.fixture(autouse=True)
def state_folder(tmp_path, monkeypatch):
    """Return the folder of access files of a user who has none yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "joblib-mpi" / "jobs"


def publish(name, address, **changes):
    return access.publish(access_to("/none", job=name, address=address, **changes))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8786", Address("127.0.0.1", 8786)),
        ("cn042.example.org:0", Address("cn042.example.org", 0)),
        ("[::1]:65535", Address("::1", 65535)),
        ("[fe80::1%eth0]:1", Address("fe80::1%eth0", 1)),
        ("0.0.0.0:8786", Address("0.0.0.0", 8786)),
    ],
)
def test_an_address_comes_back_as_it_was_written(text, address):
    assert addresses.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cn042",
        "cn042:",
        ":8786",
        "*:8786",
        "cn042:65536",
        "cn042:-1",
        "cn042:http",
        "::1:8786",
        "[::1]",
        "[]:1",
        "a/b:1",
        "cn 042:1",
        "cn042:1\n",
        "cn042:\u0661",
    ],
)
def test_what_is_no_address_is_refused_with_what_is_allowed(text):
    with pytest.raises(
        ValueError, match=r"is no address; allowed: HOST:PORT, such as 127.0.0.1:8786 or \[::1\]:0"
    ) as raised:
        addresses.parse(text)
    assert repr(text) in str(raised.value)
    assert not addresses.is_address(text) or text == "cn042:65536"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("cn042:8786", True),
        ("[::1]:1", True),
        ("slurm:1234", False),
        ("ssh:1234", False),
        ("auto", False),
        ("/socket:1", False),
    ],
)
def test_an_address_is_told_from_other_names_of_jobs(text, is_one):
    assert addresses.is_address(text) == is_one


def test_a_free_port_is_found_and_only_that_interface_listens():
    with addresses.bind(Address("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port))


def test_all_interfaces_listen_if_that_is_written():
    with addresses.bind(Address("0.0.0.0", 0)) as listener:
        socket.create_connection(("127.0.0.2", listener.getsockname()[1])).close()


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("192.0.2.1", f"cannot listen at 192.0.2.1:0: this host, {HERE}, has no such address; use one that it has"),
        ("no-such-host.invalid", f"{HERE} knows no host no-such-host.invalid .*such as 127.0.0.1:0"),
    ],
)
def test_a_host_that_is_another_one_or_none_is_refused_with_one_sentence(host, text):
    with pytest.raises(SessionError, match=text) as raised:
        addresses.bind(Address(host, 0))
    assert "\n" not in str(raised.value)


def test_a_port_in_use_is_refused_with_a_remedy():
    with addresses.bind(Address("127.0.0.1", 0)) as listener:
        with pytest.raises(SessionError, match="the port is in use; use another one, or 0 for any free one"):
            addresses.bind(Address(*listener.getsockname()))


@pytest.mark.parametrize("text", ["localhost:8786", "127.0.0.1:8786"])
def test_a_job_is_found_by_each_name_of_its_host(text):
    publish("other", "127.0.0.1:8787")
    publish("none", None)
    published = publish("one", "127.0.0.1:8786", client_key="a key")
    assert addresses.find(text) == (published, access_files.path_of("one"))


def test_a_job_that_listens_at_all_interfaces_is_found_by_its_port_and_if_need_be_its_host():
    one = publish("one", "0.0.0.0:8786", host="cn042.invalid")
    assert addresses.find("login.invalid:8786").access == one
    publish("two", "0.0.0.0:8786", host="cn043.invalid")
    assert addresses.find("cn042.invalid:8786").access == one
    with pytest.raises(
        SessionError, match=r"2 jobs of yours listen at login.invalid:8786, one at .*, two at .*file=\""
    ):
        addresses.find("login.invalid:8786")


def test_an_address_of_no_known_job_is_an_error_that_says_how_to_get_its_key(state_folder):
    publish("one", "127.0.0.1:8786")
    os.chmod(access_files.path_of("one"), 0o644)
    publish("two", "127.0.0.1:8787")
    with pytest.raises(SessionError) as raised:
        addresses.find("cn042.invalid:8786")
    text = str(raised.value)
    assert f"no access file in {state_folder} is of a job that listens at cn042.invalid:8786" in text
    assert "mode 0600" in text
    assert "known: two at 127.0.0.1:8787" in text
    assert "one.json has mode 0644" in text


def test_the_address_to_connect_to_names_a_host():
    job = access_to("/none", host="cn042", address="0.0.0.0:8786")
    assert addresses.where_to_connect(job) == Address("cn042", 8786)
    assert addresses.where_to_connect(job._replace(address="[::1]:1")) == Address("::1", 1)
    with pytest.raises(SessionError, match=r"listens at no address.*serve --listen cn042:0"):
        addresses.where_to_connect(job._replace(address=None))
    with pytest.raises(SessionError, match=r"is damaged: 'cn042' is no address"):
        addresses.where_to_connect(job._replace(address="cn042"))
