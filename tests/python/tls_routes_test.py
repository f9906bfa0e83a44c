"""Tests of the ways to jobs that lead over TLS."""

import os
import shutil
import socket

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import access, access_files, tls_routes
from joblib_mpi.serving.addresses import Address
from support.serving_double import access_to, listening


@pytest.fixture(autouse=True)
def state_folder(tmp_path, monkeypatch):
    """Let the user have no access files."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def publish(name, address, **changes):
    return access.publish(access_to(changes.pop("path", "/none"), job=name, address=address, **changes))


def test_an_address_leads_to_the_job_whose_access_file_has_it():
    publish("one", "127.0.0.1:8786")
    route = tls_routes.route_over_tls("localhost:8786")
    assert route.target == "one at localhost:8786"
    assert route.command[-3:] == ("joblib_mpi.serving.tls_connect", access_files.path_of("one"), "localhost:8786")
    assert access_files.path_of("one") in route.advice


def test_an_unknown_address_is_an_error():
    with pytest.raises(SessionError, match=r"is of a job that listens at cn042\.invalid:8786"):
        tls_routes.route_over_tls("cn042.invalid:8786")
    with pytest.raises(ValueError, match="'cn042:99999' is no address"):
        tls_routes.route_over_tls("cn042:99999")


@pytest.mark.parametrize("host", ["auto", "one", "slurm:12", "ssh:cn042", "ssh:cn042/slurm:12", "/none"])
def test_other_names_do_not_lead_over_tls(host):
    publish("one", "127.0.0.1:8786")
    assert tls_routes.route_over_tls(host) is None


def test_a_copy_of_an_access_file_leads_to_its_job_from_anywhere(tmp_path, monkeypatch):
    publish("one", "0.0.0.0:8786", host="cn042.invalid")
    copied = tmp_path / "joblib-mpi.json"
    shutil.copy2(access_files.path_of("one"), copied)
    access_files.remove("one")
    monkeypatch.chdir(tmp_path)
    for names in ({"scheduler_file": "joblib-mpi.json"}, {"scheduler_host": "./joblib-mpi.json"}):
        route = tls_routes.route_over_tls(**names)
        assert route.target == "one at cn042.invalid:8786"
        assert route.command[-2:] == (str(copied), "cn042.invalid:8786")
    os.chmod(copied, 0o640)
    with pytest.raises(SessionError, match="has mode 0640"):
        tls_routes.route_over_tls(scheduler_file=str(copied))


def test_the_file_of_a_job_on_this_host_or_without_an_address_does_not_lead_over_tls(tmp_path):
    with listening(tmp_path / "s"):
        publish("one", "127.0.0.1:8786", path=tmp_path / "s", host=socket.gethostname())
        assert tls_routes.route_over_tls(scheduler_file=access_files.path_of("one")) is None
        assert tls_routes.route_over_tls(str(tmp_path / "s")) is None
    publish("two", None, host="cn042.invalid")
    assert tls_routes.route_over_tls(scheduler_file=access_files.path_of("two")) is None
    assert tls_routes.route_over_tls(scheduler_file="./none.json") is None


def test_the_command_names_the_address_in_brackets_if_need_be(tmp_path):
    assert tls_routes.relay_command("one.json", Address("::1", 1))[-2:] == (os.path.abspath("one.json"), "[::1]:1")
