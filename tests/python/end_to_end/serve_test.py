"""Tests of jobs that wait for clients: how they start, are shown and found, and end."""

import json
import os
import shutil
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from joblib_mpi.serving import tls_connect
from support.serving_jobs import ServingJobs, wait_until
from support.time_limits import TIMEOUT_SECONDS


@pytest.fixture
def serving(place):
    """Return `ServingJobs` of a user who has none; in the end nothing may be left of them."""
    serving = ServingJobs(place)
    yield serving
    serving.end()
    assert serving.names() == []
    assert serving.folders_of_sockets() == []


def test_a_job_serves_is_shown_and_ends_when_it_is_stopped(serving):
    job, found = serving.start("-n", "2")
    assert (found.n_workers, found.host) == (1, os.uname().nodename)
    assert f'scheduler_host="{found.job}"' in serving.output()
    shown = serving.place("list")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["JOB", found.job]
    assert "serves clients" in shown.stdout
    assert os.stat(os.path.dirname(found.socket)).st_mode & 0o077 == 0

    stopped = serving.place("stop", found.job)
    assert (stopped.returncode, stopped.stdout) == (0, f"joblib-mpi: {found.job} has ended\n"), stopped
    assert job.wait(TIMEOUT_SECONDS) == 0, serving.output()
    assert f"{found.job} ends: SIGTERM has come" in serving.output()
    assert "no job of yours serves clients" in serving.place("list").stdout
    again = serving.place("stop", found.job)
    assert (again.returncode, "no job of yours has the name" in again.stderr) == (1, True)


def test_a_job_whose_rank_0_was_killed_is_said_to_be_gone_and_confuses_no_later_one(serving):
    job, killed = serving.start("-n", "2")
    os.kill(killed.pid, signal.SIGKILL)
    assert job.wait(TIMEOUT_SECONDS) != 0
    assert serving.names() == [killed.job]
    later, found = serving.start("-n", "2")
    shown = serving.place("list")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["JOB", found.job]
    assert f"{killed.job} has ended without removing its access file" in shown.stderr
    assert (serving.names(), len(serving.folders_of_sockets())) == ([found.job], 1)
    assert serving.place("stop", found.job).returncode == 0
    assert later.wait(TIMEOUT_SECONDS) == 0


def test_two_jobs_serve_side_by_side(serving):
    (one, found), (two, other) = [serving.start("-n", "2") for _ in range(2)]
    assert serving.names() == sorted([found.job, other.job])
    assert serving.place("list").stdout.count("serves clients") == 2
    assert serving.place("stop", found.job).returncode == 0
    assert one.wait(TIMEOUT_SECONDS) == 0
    assert (serving.names(), two.poll()) == ([other.job], None)
    assert serving.place("stop", other.job).returncode == 0
    assert two.wait(TIMEOUT_SECONDS) == 0


def test_ctrl_c_ends_a_job_with_status_0(serving):
    job, found = serving.start("-n", "2")
    job.send_signal(signal.SIGINT)  # the command passes it on to rank 0 as a terminal's
    assert job.wait(TIMEOUT_SECONDS) == 0, serving.output()
    assert f"{found.job} ends: Ctrl-C" in serving.output()


def test_a_job_that_has_no_client_ends_and_says_why(serving):
    job, found = serving.start("-n", "2", "--idle-timeout", "1")
    assert job.wait(TIMEOUT_SECONDS) == 0, serving.output()
    assert f"{found.job} ends: it has had no client for 1 s" in serving.output()


def test_the_options_of_python_arrive(serving):
    job, found = serving.start("-n", "2", "--preload", "csv", "--isolation", "process")
    assert serving.place("stop", found.job).returncode == 0
    assert job.wait(TIMEOUT_SECONDS) == 0
    refused = serving.place("serve", "-n", "2", "--preload", "no_such_module")
    assert (refused.returncode, "no_such_module" in refused.stderr) == (2, True), refused


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["serve", "-n", "1"], "no workers"),
        (["serve", "script.py"], "script.py"),
        (["serve", "--idle-timeout", "soon"], '"soon" is no time'),
        (["stop"], "JOB"),
        (["list", "--python", "./none"], "there is no such program"),
    ],
)
def test_wrong_words_are_refused_with_status_2(serving, arguments, text):
    ended = serving.place(*arguments)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended
    assert text in ended.stderr


def test_a_dry_run_prints_what_serve_would_start(serving):
    shown = serving.place("serve", "-n", "3", "--idle-timeout", "30m", "--preload", "csv", "--dry-run")
    assert shown.returncode == 0, shown
    assert shown.stdout.startswith("mpirun -n 3 ")
    assert shown.stdout.endswith("-P -m joblib_mpi --preload csv --serve --idle-timeout 1800\n")


def test_a_folder_that_others_can_read_is_refused_and_the_job_ends(serving):
    serving.jobs.mkdir(parents=True, mode=0o755)
    serving.jobs.chmod(0o755)
    ended = serving.place("serve", "-n", "2")
    assert ended.returncode == 1, ended
    assert f"chmod 700 {serving.jobs}" in ended.stderr
    assert ended.stderr.count("mode 0755") == 1
    assert "mode 0755" in serving.place("list").stderr


CLIENT = """
import os, sys
import joblib_mpi
from joblib import Parallel, delayed, parallel_config

def who(index):
    return index, os.getpid()

with parallel_config(backend="mpi", scheduler_host=sys.argv[1]):
    found = Parallel()(delayed(who)(index) for index in range(20))
print([index for index, _ in found] == list(range(20)), os.getpid() not in {process for _, process in found})
"""


def test_a_program_finds_the_job_by_each_of_its_names(serving):
    job, found = serving.start("-n", "2", "--idle-timeout", "1h")
    serving.place.write("client.py", CLIENT)
    for name in (found.job, "auto", found.socket, str(serving.jobs / f"{found.job}.json")):
        ended = serving.place("client.py", name, command=[sys.executable])
        assert (ended.returncode, ended.stdout) == (0, "True True\n"), (name, ended)
    assert serving.place("stop", found.job).returncode == 0
    assert job.wait(TIMEOUT_SECONDS) == 0
    gone = serving.place("client.py", found.job, command=[sys.executable])
    assert f'no job of yours has the name "{found.job}"' in gone.stderr, gone


def test_a_client_is_told_which_job_has_ended_or_that_there_are_several(serving):
    serving.place.write("client.py", CLIENT)
    none = serving.place("client.py", "auto", command=[sys.executable])
    assert "no job of yours serves clients on" in none.stderr, none
    jobs = [serving.start("-n", "2") for _ in range(2)]
    several = serving.place("client.py", "auto", command=[sys.executable])
    assert "2 jobs of yours serve clients" in several.stderr, several
    for job, found in jobs:
        assert serving.place("stop", found.job).returncode == 0
        assert job.wait(TIMEOUT_SECONDS) == 0


def test_a_variable_that_names_a_job_is_for_clients_and_starts_another_job_all_the_same(serving):
    serving.place.environment["JOBLIB_MPI_SCHEDULER_HOST"] = "none"
    job, found = serving.start("-n", "2")
    assert serving.place("stop", found.job).returncode == 0
    assert job.wait(TIMEOUT_SECONDS) == 0
    both = ["-m", "joblib_mpi", "--scheduler-host", "auto", "--serve"]
    refused = serving.place(*both, command=[sys.executable])
    assert (refused.returncode, "omit one of them" in refused.stderr) == (2, True), refused


def listening_ports(processes):
    """Return the address and port in hexadecimal of each TCP socket at which one of these processes listens."""
    listening = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening[f"socket:[{fields[9]}]"] = fields[1]
    found = set()
    for process in processes:
        with suppress(OSError):
            for name in os.listdir(f"/proc/{process}/fd"):
                with suppress(OSError):
                    found.add(listening.get(os.readlink(f"/proc/{process}/fd/{name}")))
    return found - {None}


def own_ports(mpirun):
    """Return the ports of all processes of a job but those of Open MPI's launcher."""
    launchers = ("(mpirun", "(prterun")
    return listening_ports(
        number for number, name in mpirun.processes().items() if not any(launcher in name for launcher in launchers)
    )


def test_a_job_opens_no_port_unless_it_is_told_to(serving, mpirun):
    job, found = serving.start("-n", "2")
    assert len(mpirun.processes()) > 2
    assert (own_ports(mpirun), found.address) == (set(), None)
    assert serving.place("stop", found.job).returncode == 0
    assert job.wait(TIMEOUT_SECONDS) == 0


def test_a_job_that_is_told_to_listens_at_one_port_and_lets_its_key_in(serving, mpirun):
    pytest.importorskip("cryptography")
    job, found = serving.start("-n", "2", "--listen", "127.0.0.1:0")
    host, _, port = found.address.rpartition(":")
    wait_until(lambda: own_ports(mpirun) == {f"0100007F:{int(port):04X}"})
    assert host == "127.0.0.1"
    assert found.address in serving.place("list").stdout
    assert f'scheduler_host="{found.address}"' in serving.output()
    with tls_connect.connect(str(serving.jobs / f"{found.job}.json")) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.sendall(struct.pack("<16s40sQ", b"joblib-mpi", b"another version", 0))
        assert connection.recv(10) == b"joblib-mpi"  # rank 0's greeting, which says its version
    assert serving.place("stop", found.job).returncode == 0
    assert job.wait(TIMEOUT_SECONDS) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), TIMEOUT_SECONDS)


def test_a_client_finds_the_job_by_its_address_or_by_a_copy_of_its_access_file(serving):
    pytest.importorskip("cryptography")
    job, found = serving.start("-n", "2", "--listen", "127.0.0.1:0")
    serving.place.write("client.py", CLIENT)
    by_address = serving.place("client.py", found.address, command=[sys.executable])
    assert (by_address.returncode, by_address.stdout) == (0, "True True\n"), by_address
    # As on another host, where there is no socket of the job.
    fields = json.loads((serving.jobs / f"{found.job}.json").read_text())
    copied = serving.place.write("copied.json", json.dumps({**fields, "host": "another.invalid"}))
    copied.chmod(0o600)
    serving.place.environment["XDG_STATE_HOME"] = str(serving.place.folder / "elsewhere")
    by_copy = serving.place("client.py", "./copied.json", command=[sys.executable])
    assert (by_copy.returncode, by_copy.stdout) == (0, "True True\n"), by_copy
    copied.chmod(0o644)
    refused = serving.place("client.py", "./copied.json", command=[sys.executable])
    assert (refused.returncode, "has mode 0644" in refused.stderr) == (1, True), refused
    no_key = serving.place("client.py", found.address, command=[sys.executable])
    assert "no access file in" in no_key.stderr, no_key
    serving.place.environment["XDG_STATE_HOME"] = str(serving.place.folder / "state")
    assert serving.place("stop", found.job).returncode == 0
    assert job.wait(TIMEOUT_SECONDS) == 0
    ended = serving.place("client.py", found.address, command=[sys.executable])
    assert f"is of a job that listens at {found.address}" in ended.stderr, ended


def test_the_port_of_a_job_whose_rank_0_was_killed_is_closed(serving, mpirun):
    pytest.importorskip("cryptography")
    job, found = serving.start("-n", "2", "--listen", "127.0.0.1:0")
    os.kill(found.pid, signal.SIGKILL)
    assert job.wait(TIMEOUT_SECONDS) != 0
    wait_until(lambda: mpirun.processes() == {})
    assert "has ended without removing its access file" in serving.place("list").stderr


@pytest.mark.parametrize(
    ("address", "status", "text"),
    [
        ("127.0.0.1", 2, '"127.0.0.1" is no address HOST:PORT'),
        ("127.0.0.1:65536", 2, '"127.0.0.1:65536" is no address HOST:PORT'),
        (":8786", 2, '":8786" is no address HOST:PORT'),
        ("192.0.2.1:0", 1, "rank 0 cannot listen at 192.0.2.1:0: this host"),
        ("127.0.0.1:{taken}", 1, "the port is in use"),
    ],
)
def test_an_address_that_is_none_or_cannot_be_had_is_refused(serving, address, status, text):
    pytest.importorskip("cryptography")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = serving.place("serve", "-n", "2", "--listen", address.format(taken=listener.getsockname()[1]))
    assert ended.returncode == status, ended
    assert ended.stderr.count(text) == 1, ended


OTHER_USER = """
import os, socket, sys
file, path = sys.argv[1:]
for attempt in (
    lambda: open(file),
    lambda: os.listdir(os.path.dirname(file)),
    lambda: os.unlink(file),
    lambda: os.listdir(os.path.dirname(path)),
    lambda: socket.socket(socket.AF_UNIX).connect(path),
    lambda: os.unlink(path),
):
    try:
        attempt()
        print("allowed")
    except PermissionError:
        print("denied")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_reaches_neither_the_access_file_nor_the_socket(serving):
    shared = Path(serving.place.environment["TMPDIR"])
    shared.chmod(0o1777)
    serving.place.environment["XDG_STATE_HOME"] = str(shared / "state")
    serving.jobs = shared / "state" / "joblib-mpi" / "jobs"
    job, found = serving.start("-n", "2")
    tried = serving.place(
        *("-I", "-c", OTHER_USER, str(serving.jobs / f"{found.job}.json"), found.socket),
        command=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3"],
    )
    assert (tried.returncode, tried.stdout) == (0, "denied\n" * 6), tried
    assert serving.place("stop", found.job).returncode == 0
    assert job.wait(TIMEOUT_SECONDS) == 0
    shutil.rmtree(shared / "state")
