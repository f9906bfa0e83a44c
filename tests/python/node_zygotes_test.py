"""Tests of how a rank finds the fork server of its node, and does without."""

import json
import os
import resource
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from joblib_mpi import launcher_environment, node_zygotes
from joblib_mpi.start_options import StartOptions

NAME = "\0joblib-mpi/test-of-node-zygotes"


@pytest.fixture
def listener(monkeypatch):
    """Return a socket that has the name of this job, bound before any rank has."""
    monkeypatch.setattr(node_zygotes, "_digest", lambda options: NAME.partition("/")[2])
    monkeypatch.setenv("PMIX_NAMESPACE", "job")
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_RANK", "1")
    before = signal.getsignal(signal.SIGUSR1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(NAME)
        listener.listen()
        yield listener
    signal.signal(signal.SIGUSR1, before)


def test_a_rank_whose_launcher_names_no_job_imports_all_itself(monkeypatch):
    for variable in launcher_environment._JOB_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_RANK", "1")
    assert node_zygotes.zygote_of_node(StartOptions()) is None


def test_a_rank_tells_nothing_to_another_user_who_has_the_name(listener, monkeypatch):
    monkeypatch.setattr(node_zygotes.os, "getuid", lambda: 12345)
    assert node_zygotes.zygote_of_node(StartOptions()) is None
    connection, _ = listener.accept()
    with connection:
        assert connection.recv(1) == b""


def test_a_rank_takes_over_the_name_of_a_server_that_has_ended(listener, monkeypatch):
    successors = []

    def fork_server_if_first(name, options):
        if not successors and listener.fileno() != -1:
            successors.append(None)
            listener.close()  # after the rank has found the name taken
            return None
        successor = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        successor.bind(name)
        successor.listen()
        successors.append(successor)
        return node_zygotes.ServerChild(0, successor)

    monkeypatch.setattr(node_zygotes, "_fork_server_if_first", fork_server_if_first)
    monkeypatch.setattr(node_zygotes, "_request", lambda connection, server: server)
    server = node_zygotes.zygote_of_node(StartOptions())
    assert isinstance(server, node_zygotes.ServerChild)
    assert len(successors) == 2
    server.close()


def test_a_rank_whose_own_server_has_ended_imports_all_itself(listener, monkeypatch):
    listener.close()
    ours, _ = socket.socketpair()
    monkeypatch.setattr(node_zygotes, "_fork_server_if_first", lambda *_: node_zygotes.ServerChild(0, ours))
    assert node_zygotes.zygote_of_node(StartOptions()) is None
    ours.close()


def test_a_rank_does_without_a_server_whose_name_is_taken_by_one_who_never_listens(listener, monkeypatch):
    monkeypatch.setattr(node_zygotes, "_LONGEST_STANDSTILL_SECONDS", 0.05)
    listener.close()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(NAME)
        assert node_zygotes.zygote_of_node(StartOptions()) is None


def test_a_rank_waits_for_its_turn_where_more_ask_than_the_system_lets_wait(listener, monkeypatch):
    listener.listen(0)
    waiting = []
    with suppress(BlockingIOError):
        while True:
            waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            waiting[-1].setblocking(False)
            waiting[-1].connect(NAME)

    def accept_all(seconds):
        for connection in waiting[:-1]:
            listener.accept()[0].close()
            connection.close()

    monkeypatch.setattr(node_zygotes.time, "sleep", accept_all)
    monkeypatch.setattr(node_zygotes, "_request", lambda connection, server: "a zygote")
    assert node_zygotes.zygote_of_node(StartOptions()) == "a zygote"
    assert len(waiting) > 1
    waiting[-1].close()


@pytest.fixture
def serve(listener, monkeypatch):
    """Return `serve(do)`, which lets a process take the place of the server and do something with the connection."""
    listener.close()
    monkeypatch.setattr(node_zygotes, "_LONGEST_STANDSTILL_SECONDS", 0.3)
    children = []

    def start(do):
        ready, tell = os.pipe()
        children.append(os.fork())
        if children[-1] == 0:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
                server.bind(NAME)
                server.listen()
                os.write(tell, b"\n")
                connection, _ = server.accept()
                do(connection)
                os._exit(3)
        os.read(ready, 1)
        os.close(ready)
        os.close(tell)
        return children[-1]

    yield start
    for child in children:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@pytest.mark.parametrize(
    "stand_still", [lambda _: time.sleep(1e6), lambda _: os.kill(os.getpid(), signal.SIGSTOP)], ids=["waits", "stopped"]
)
def test_a_server_that_stands_still_is_ended_and_the_rank_imports_all_itself(serve, stand_still):
    process = serve(stand_still)
    assert node_zygotes.zygote_of_node(StartOptions()) is None
    assert os.WTERMSIG(os.waitpid(process, 0)[1]) == signal.SIGKILL


def compute(connection):
    """Compute for longer than a server may stand still, then answer that the rank is on its own."""
    end = time.monotonic() + 1
    while time.monotonic() < end:
        pass
    with connection.makefile("wb") as answers:
        answers.write(json.dumps([node_zygotes.UNLIKE, ""]).encode())


def read(connection):
    """Do the same with reading, in small steps."""
    end = time.monotonic() + 1
    while time.monotonic() < end:
        Path("/proc/self/stat").read_bytes()
        time.sleep(0.01)
    compute(connection)


@pytest.mark.parametrize("work", [compute, read])
def test_a_server_that_works_for_long_is_waited_for(serve, work):
    process = serve(work)
    assert node_zygotes.zygote_of_node(StartOptions()) is None
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 3


def test_a_name_at_which_no_connection_is_taken_lets_the_rank_import_all_itself(listener):
    listener.listen(0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as first:
        first.connect(NAME)
        assert node_zygotes.zygote_of_node(StartOptions()) is None


def test_variables_that_differ_between_ranks_have_no_part_in_the_name():
    environment = {"PATH": "/bin", "OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "1"}
    of_launcher = {
        "OMPI_COMM_WORLD_RANK": "1",
        "PMIX_RANK": "1",
        "PMI_RANK": "1",
        "SLURM_PROCID": "1",
        "SLURM_LOCALID": "1",
    }
    assert launcher_environment.without_rank(environment | of_launcher) == environment
    assert launcher_environment.job_name({"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "HOME": "/"}) == (
        "SLURM_JOB_ID=7",
        "SLURM_STEP_ID=0",
    )


@pytest.mark.parametrize("setting", ["variable", "folder", "umask", "limit", "preload"])
def test_ranks_that_were_started_differently_have_different_names(setting, monkeypatch, tmp_path):
    options = StartOptions()
    umask, limits = os.umask(0o022), resource.getrlimit(resource.RLIMIT_CORE)
    before = node_zygotes._digest(options)
    assert node_zygotes._digest(options) == before
    try:
        if setting == "variable":
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
        elif setting == "folder":
            monkeypatch.chdir(tmp_path)
        elif setting == "umask":
            os.umask(0o077)
        elif setting == "limit":
            resource.setrlimit(resource.RLIMIT_CORE, (0 if limits[0] else 1, limits[1]))
        else:
            options = options.updated(preload=["json"])
        assert node_zygotes._digest(options) != before
    finally:
        os.umask(umask)
        resource.setrlimit(resource.RLIMIT_CORE, limits)
