"""Tests of relays: how they start and end, and what is said of those that lead nowhere."""

import os
import select
import signal
import socket
import subprocess
import sys
import time

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import relay
from joblib_mpi.serving.relay import Relay
from joblib_mpi.serving.routes import Route
from support.time_limits import END_SECONDS

ERROR = SessionError("the job has closed the connection")
STRANGE = SessionError("what is at the other end of a client's connection is not joblib-mpi")


def through(code):
    """Return a way to the job "there" by some shell code."""
    return Route("there", ("sh", "-c", code), "look at the advice")


@pytest.fixture
def start():
    """Return a function that starts a relay of some shell code, and returns it with this process's end."""
    started = []

    def start(code):
        started.append(Relay(through(code)))
        end = socket.socket(fileno=started[-1].take_descriptor())
        end.settimeout(END_SECONDS)
        started.append(end)
        return started[-2:]

    yield start
    for one in reversed(started):
        (one.close if isinstance(one, socket.socket) else one.end)()


def test_what_is_sent_arrives_at_the_command_and_its_output_comes_back(start):
    _, end = start("exec cat")
    end.sendall(b"there and back")
    assert end.recv(100) == b"there and back"


def test_a_relay_runs_in_a_session_of_its_own(start):
    _, end = start("ps -o pid=,sid= -p $$; exec cat")
    process, session = map(int, end.recv(100).split())
    assert process == session != os.getsid(0)


def test_a_relay_ends_when_its_connection_is_closed(start, monkeypatch):
    monkeypatch.setattr(relay, "_END_SECONDS", END_SECONDS)
    through_cat, end = start("cat; echo ended normally >&2")
    end.close()
    through_cat.end()
    assert through_cat.last_words == "ended normally"


@pytest.mark.parametrize("code", ["exec sleep 600", "trap '' TERM; echo starts; sleep 600"])
def test_a_relay_that_stays_is_ended(start, monkeypatch, code):
    monkeypatch.setattr(relay, "_END_SECONDS", 0.1)
    stays, end = start(code)
    process = os.pidfd_open(stays._process.pid)
    end.close()
    stays.end()
    assert select.select([process], [], [], END_SECONDS)[0]
    os.close(process)


def test_a_relay_ends_with_a_process_that_is_killed():
    program = """
import os, signal
from joblib_mpi.serving.relay import Relay
from joblib_mpi.serving.routes import Route
relay = Relay(Route("there", ("sh", "-c", 'read line; echo "$line"; cat; echo ended >"$1"', "sh", os.environ["NOTE"])))
descriptor = relay.take_descriptor()
os.write(descriptor, b"started\\n")
os.read(descriptor, 100)
os.kill(os.getpid(), signal.SIGKILL)
"""
    reading, note = os.pipe()
    ended = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "NOTE": f"/proc/{os.getpid()}/fd/{note}"}, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert select.select([reading], [], [], END_SECONDS)[0]
    assert os.read(reading, 100) == b"ended\n"
    os.close(reading)
    os.close(note)


def test_a_command_that_is_missing_is_named():
    with pytest.raises(SessionError, match="there cannot be reached, because no-such-ssh cannot be started: No such"):
        Relay(Route("there", ("no-such-ssh", "host")))


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ("echo 'joblib-mpi: the job x has ended' >&2; exit 1", ["there cannot be reached: the job x has ended"]),
        ("echo 'ssh: Permission denied' >&2; exit 255", ["status 255: ssh: Permission denied; look at the advice"]),
        ("echo 'sh: 1: joblib-mpi: not found' >&2; exit 127", ["no command joblib-mpi", "JOBLIB_MPI_REMOTE_COMMAND"]),
        ("exit 3", ["because sh has ended with status 3; look at the advice"]),
        ("kill -KILL $$", ["because sh has ended with status -9"]),
        ("exit 0", ["there cannot be reached: the job has closed the connection; the command was: sh -c"]),
        ("echo motd >&2; exec sleep 600", ["the connection: motd; the command was: sh -c"]),
        ("for i in 1 2 3 4 5; do echo line $i >&2; done; exit 4", ["status 4: line 3; line 4; line 5; look"]),
        ("head -c 3000 /dev/zero | tr '\\0' x >&2; exit 4", ["xxx"]),
        ("printf 'not \\377 text' >&2; exit 4", ["not \ufffd text"]),
    ],
)
def test_what_a_relay_has_said_tells_why_it_leads_nowhere(start, monkeypatch, code, texts):
    if "sleep" in code:
        monkeypatch.setattr(relay, "_END_SECONDS", 0.5)
    leads_nowhere, end = start(code)
    if "motd" in code:
        while not leads_nowhere.last_words:
            time.sleep(0.01)
    end.close()
    said = leads_nowhere.why_not(ERROR)
    assert all(text in said for text in texts), said
    assert "\n" not in said


def test_what_a_shell_prints_at_its_start_is_shown(start, monkeypatch):
    prints, end = start("echo Welcome to the cluster; echo more; exec cat")
    assert end.recv(100).startswith(b"Welcome")
    end.close()
    said = prints.why_not(STRANGE)
    assert 'prints "Welcome to the cluster" to stdout' in said
    assert ".bashrc" in said


def test_strange_bytes_that_come_only_with_a_question_are_not_taken_for_a_shells(start):
    echoes, end = start("exec cat")
    end.close()
    assert "is not joblib-mpi; the command was: sh -c" in echoes.why_not(STRANGE)
