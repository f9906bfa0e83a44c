"""Tests of the ways to jobs: which command leads to which job."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import access, access_files, routes
from joblib_mpi.serving.routes import route_to
from support.serving_double import access_to, listening

HERE = socket.gethostname()


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Return the folder of programs on PATH of a user who has no jobs; there are none."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("JOBLIB_MPI_REMOTE_COMMAND", raising=False)
    monkeypatch.setattr(routes, "_own_command", lambda: "/venv/bin/joblib-mpi")
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


@pytest.fixture
def srun(surroundings):
    """Let there be an srun."""
    (surroundings / "srun").write_text("#!/bin/sh\n")
    (surroundings / "srun").chmod(0o755)


@pytest.fixture
def short_folder():
    """Return a folder with a path short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="jm") as folder:
        yield Path(folder)


def publish(name, path="/none", **changes):
    return access.publish(access_to(path, job=name, **changes))


def step(node, slurm_job):
    return ("srun", "-u", "--overlap", "--mpi=none", "-N1", "-n1", "-w", node, f"--jobid={slurm_job}")


def test_a_job_on_this_host_is_reached_at_its_socket(short_folder, srun):
    path = str(short_folder / "one")
    with listening(path):
        publish("slurm-12", path, slurm_job="12")
        for name in ("auto", "slurm-12", "slurm:12", path, access_files.path_of("slurm-12")):
            assert route_to(name) == routes.Route(path)
        assert route_to(scheduler_file=access_files.path_of("slurm-12")) == routes.Route(path)


def test_a_slurm_job_on_another_host_is_reached_by_srun(srun):
    publish("slurm-12", host="cn042.cluster", slurm_job="12", slurm_node="cn042")
    for name in ("auto", "slurm-12", "slurm:12"):
        route = route_to(name)
        assert route.command == (*step("cn042", 12), "/venv/bin/joblib-mpi", "connect", "--here", "slurm-12")
        assert (route.target, "squeue --job 12" in route.advice) == ("slurm-12 on cn042.cluster", True)
    publish("other", host="cn043", slurm_job="13")
    assert route_to("slurm:13").command[: len(step("", 0))] == step("cn043", 13)


def test_the_path_of_an_access_file_is_passed_on(srun, short_folder, monkeypatch):
    publish("slurm-12", host="cn042", slurm_job="12")
    copy = short_folder / "copy"
    os.rename(access_files.path_of("slurm-12"), copy)
    monkeypatch.chdir(short_folder)
    for route in (route_to(str(copy)), route_to("./copy"), route_to(scheduler_file="copy")):
        assert route.command[-3:] == ("connect", "--here", str(copy))


def test_a_socket_that_only_processes_of_the_slurm_job_see_is_reached_by_srun(srun):
    publish("slurm-12", slurm_job="12")
    assert access.all_jobs().present[0].state.kind == "unreachable"
    assert route_to("auto").command == (
        *step(HERE, 12),
        *("/venv/bin/joblib-mpi", "connect", "--here", "slurm-12"),
    )


def test_a_remote_command_is_a_text_for_a_shell(srun, monkeypatch):
    monkeypatch.setenv("JOBLIB_MPI_REMOTE_COMMAND", "module load joblib-mpi && joblib-mpi")
    publish("slurm-12", host="cn042", slurm_job="12")
    assert route_to("slurm:12").command == (
        *step("cn042", 12),
        *("sh", "-c", "module load joblib-mpi && joblib-mpi connect --here slurm-12"),
    )
    assert route_to("ssh:cn042").command[-1] == "module load joblib-mpi && joblib-mpi connect auto"


def test_without_srun_a_slurm_job_on_another_host_is_an_error_that_names_it():
    publish("slurm-12", host="cn042", slurm_job="12")
    for name in ("slurm-12", "slurm:12"):
        with pytest.raises(SessionError, match=r"rank 0 is on cn042.*where srun is found"):
            route_to(name)
    publish("far", host="cn043")
    with pytest.raises(SessionError, match='scheduler_host="ssh:cn043/far"'):
        route_to("far")


def test_several_jobs_are_named(srun):
    publish("slurm-12", host="cn042", slurm_job="12")
    publish("slurm-12", host="cn042", slurm_job="12")
    for name in ("auto", "slurm:12"):
        with pytest.raises(SessionError, match=r"2 jobs of yours .*, slurm-12, slurm-12-2; choose one"):
            route_to(name)


def test_a_slurm_job_that_does_not_serve_is_an_error_with_those_that_do(srun):
    with pytest.raises(SessionError, match="no job of yours serves clients in the Slurm job 7"):
        route_to("slurm:7")
    publish("slurm-12", host="cn042", slurm_job="12")
    with pytest.raises(SessionError, match="known: slurm-12"):
        route_to("slurm:1")


@pytest.mark.parametrize("name", ["slurm:", "slurm:x", "slurm:-1", "slurm:1_2", "slurm:²", "slurm: 1"])
def test_what_is_no_number_of_a_slurm_job_is_refused(name):
    with pytest.raises(ValueError, match=r"allowed after .* the number of a Slurm job"):
        route_to(name)


@pytest.mark.parametrize(
    ("name", "node", "remote"),
    [
        ("ssh:cn042", "cn042", "auto"),
        ("ssh:me@cn042/one", "me@cn042", "one"),
        ("ssh:login/slurm:12", "login", "slurm:12"),
        ("ssh:login//tmp/a b/socket", "login", "'/tmp/a b/socket'"),
        ("ssh:login/$(x)", "login", "'$(x)'"),
        ("ssh:login/ssh:cn042", "login", "ssh:cn042"),
    ],
)
def test_a_job_of_another_host_is_reached_by_ssh(name, node, remote):
    route = route_to(name)
    assert route.target == name
    assert route.command[0] == "ssh"
    assert route.command[-3:] == ("--", node, f"joblib-mpi connect {remote}")
    assert "BatchMode=yes" in route.command


@pytest.mark.parametrize(
    "name", ["ssh:", "ssh:/one", "ssh:-oProxyCommand=x", "ssh:a b", "ssh:a/", "ssh:a/-x", "ssh:a\n"]
)
def test_what_is_no_host_or_job_is_refused(name):
    with pytest.raises(ValueError, match='allowed: "ssh:NODE" or "ssh:NODE/JOB"'):
        route_to(name)
