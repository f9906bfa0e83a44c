"""Tests of rank 0 of a program's own job where that needs no ranks."""

import os
import signal
import socket
import subprocess

import pytest

from joblib_mpi import session as sessions
from joblib_mpi.serving import access, private, socket_folder
from joblib_mpi.serving.listener import process_start

HERE = socket.gethostname()


@pytest.fixture(autouse=True)
def handlers():
    """Keep the handlers of signals."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


class Core:
    """A session's core whose one client is there for some looks and has left at the next one."""

    n_workers = 1

    def __init__(self, n_looks_with_a_client, n_clients_so_far=1):
        self.looks = [1] * n_looks_with_a_client + [0]
        self.n_clients_so_far = n_clients_so_far
        self.listens_at = None
        self.known = None

    def listen(self, path, identity, description):
        self.listens_at = path

    def note(self, access_file):
        """Note what the access file tells at a look for clients."""
        if os.path.exists(access_file):
            self.known = access.read(access_file)

    @property
    def n_clients(self):
        return self.looks.pop(0)


class Session:
    """A session of rank 0."""

    def __init__(self, core):
        self.core = core

    def description(self):
        return b""


@pytest.mark.parametrize("n_looks", [0, 3])
def test_it_ends_when_its_client_has_left_also_before_the_first_look(monkeypatch, n_looks):
    core = Core(n_looks)
    monkeypatch.setattr(sessions, "current", lambda: Session(core))
    path = socket_folder.make()
    assert private.serve(path, HERE, os.getpid(), process_start(os.getpid()), "/nowhere/access") == 0
    assert core.listens_at == path
    assert not core.looks
    assert not os.path.exists(os.path.dirname(path))


def test_it_ends_if_its_program_has_ended_before_it_came(monkeypatch):
    monkeypatch.setattr(sessions, "current", lambda: Session(Core(0, n_clients_so_far=0)))
    ended = subprocess.Popen(["true"])
    start = process_start(ended.pid)
    ended.wait()
    assert private.serve(socket_folder.make(), HERE, ended.pid, start or 0, "/nowhere/access") == 0


def test_on_another_host_of_slurm_an_access_file_tells_the_program_the_way(monkeypatch, tmp_path):
    access_file = str(tmp_path / "programs" / "job.json")

    class Watched(Core):
        @property
        def n_clients(self):
            self.note(access_file)
            return super().n_clients

    core = Watched(1)
    monkeypatch.setattr(sessions, "current", lambda: Session(core))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    assert private.serve("/nowhere/socket", "another-host", 1, 1, access_file) == 0
    assert core.known.socket == core.listens_at != "/nowhere/socket"
    assert (core.known.host, core.known.slurm_job, core.known.slurm_node) == (HERE, "7", "n2")
    assert not os.path.exists(access_file)
    assert not os.path.exists(os.path.dirname(core.listens_at))


def test_sigterm_ends_it_and_leaves_no_socket(monkeypatch):
    class Ended(Core):
        @property
        def n_clients(self):
            signal.raise_signal(signal.SIGTERM)
            return 1

    monkeypatch.setattr(sessions, "current", lambda: Session(Ended(1)))
    path = socket_folder.make()
    with pytest.raises(SystemExit) as ended:
        private.serve(path, HERE, os.getpid(), process_start(os.getpid()), "/nowhere/access")
    assert ended.value.code == 143
    assert not os.path.exists(os.path.dirname(path))


def test_it_does_not_start_where_its_program_cannot_reach_it(monkeypatch, capsys):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert private.serve("/nowhere/socket", "another-host", 1, 1, "/nowhere/access") == 2
    assert "the program on another-host does not reach it" in capsys.readouterr().err


def test_it_needs_workers(monkeypatch, capsys):
    monkeypatch.setattr(sessions, "current", lambda: None)
    assert private.serve("/nowhere/socket", HERE, 1, 1, "/nowhere/access") == 2
    assert "at least one worker" in capsys.readouterr().err
