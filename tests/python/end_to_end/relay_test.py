"""Tests of clients that reach their job through ssh or srun, which are programs here that run their command."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from support.place import COMMAND
from support.serving_jobs import ServingJobs, wait_until
from support.sockets import is_running
from support.terminal import INTERRUPT, Terminal
from support.time_limits import END_SECONDS, TIMEOUT_SECONDS

#: Refuses arguments that are not expected, notes its process, and runs the command here, as sshd does by a shell.
SSH = """
    #!/bin/sh
    test "$1 $2 $3 $4 $5" = "-T -a -x -o BatchMode=yes" || { echo "unexpected: $*" >&2; exit 99; }
    while test "$1" != --; do shift; done
    test "$#" = 3 || { echo "unexpected: $*" >&2; exit 99; }
    case "$2" in
      there) echo "$$" >>PIDS; HOME=/nowhere exec sh -c "$3" ;;
      talks) echo "Welcome to the cluster"; exec sh -c "$3" ;;
      *) echo "ssh: Could not resolve hostname $2: Name or service not known" >&2; exit 255 ;;
    esac
"""

#: Runs its command as on a host "far", where other access files are.
SRUN = """
    #!/bin/sh
    test "$*" = "-u --overlap --mpi=none -N1 -n1 -w far --jobid=12 COMMAND connect --here slurm-12" ||
      { echo "unexpected: $*" >&2; exit 99; }
    echo "$$" >>PIDS
    shift 8
    XDG_STATE_HOME="THERE" exec "$@"
"""

PRELUDE = """
    import contextlib, os, signal, sys, threading, time
    import joblib_mpi
    from joblib import Parallel, delayed, parallel_config
    def square(x):
        return x * x
    def wait():
        open("started", "w").close()
        time.sleep(600)
"""


class Cluster:
    """A job that serves, and programs that come to it through relays."""

    def __init__(self, place):
        self.place = place
        self.pids = place.folder / "relays"
        programs = place.folder / "bin"
        programs.mkdir()
        for name, text in (("ssh", SSH), ("srun", SRUN)):
            text = (
                text.replace("PIDS", str(self.pids))
                .replace("COMMAND", str(COMMAND))
                .replace("THERE", str(place.folder / "there"))
            )
            place.write(f"bin/{name}", text.lstrip(), executable=True)
        place.environment["PATH"] = f"{programs}:{place.environment['PATH']}"
        place.environment["JOBLIB_MPI_REMOTE_COMMAND"] = str(COMMAND)
        self._serving = ServingJobs(place)
        self.jobs = self._serving.jobs
        self.job, self.access = self._serving.start("-n", "3")

    def start(self, text, **settings):
        """Start a script that is a client, and return its process."""
        script = self.place.write("script.py", PRELUDE + text)
        return subprocess.Popen(
            [sys.executable, str(script)],
            cwd=self.place.folder,
            env=self.place.environment,
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **settings},
        )

    def run(self, text):
        """Return the lines that a script prints, and what it prints to stderr; it must succeed."""
        process = self.start(text)
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 0, stdout + stderr
        return stdout.splitlines(), stderr

    def relays(self):
        """Return the ids of the relays' processes that run."""
        with suppress(FileNotFoundError):
            return [pid for pid in self.pids.read_text().split() if is_running(pid)]
        return []

    def end(self):
        """End the job, whose last client must have left nothing."""
        wait_until(lambda: not self.relays())
        if self.job.poll() is None:
            self.place("stop", self.access.job)
        self.job.wait(TIMEOUT_SECONDS)
        self._serving.end()


@pytest.fixture
def cluster(place):
    """Return a `Cluster`; in the end none of its relays may run."""
    cluster = Cluster(place)
    yield cluster
    cluster.end()


MAIN_PATHS = """
    import numpy as np
    X = np.arange(3_000_000.0)
    def total(x, i):
        return float(x.sum()) + i
    def fail(i):
        if i == 2:
            raise ValueError(f"no {i}")
    with parallel_config(backend="mpi", scheduler_host=HOST, scatter=[X]):
        print(Parallel()(delayed(total)(X, i) for i in range(3)) == [X.sum() + i for i in range(3)])
        try:
            Parallel()(delayed(fail)(i) for i in range(3))
        except ValueError as error:
            print(error)
        print(sum(Parallel(return_as="generator")(delayed(square)(i) for i in range(1000))))
        large = Parallel()(delayed(np.ones)(1_000_000) for _ in range(4))
        print([float(array.sum()) for array in large])
    with parallel_config(backend="mpi", scheduler_host=HOST):
        print(joblib_mpi.stats()["scattered_objects"])
    print("libmpi" in open("/proc/self/maps").read())
"""
MAIN_PATHS_PRINT = ["True", "no 2", "332833500", "[1000000.0, 1000000.0, 1000000.0, 1000000.0]", "0", "False"]


def test_a_client_through_ssh_gets_what_one_on_the_host_gets(cluster):
    for job in ("", "/auto", f"/{cluster.access.job}", f"/{cluster.access.socket}", "/ssh:there"):
        host = f"ssh:there{job}"
        assert cluster.run(MAIN_PATHS.replace("HOST", repr(host))) == (MAIN_PATHS_PRINT, ""), host


def test_a_client_reaches_a_job_on_another_host_of_slurm(cluster):
    there = cluster.place.folder / "there" / "joblib-mpi" / "jobs"
    there.mkdir(parents=True, mode=0o700)
    del cluster.place.environment["JOBLIB_MPI_REMOTE_COMMAND"]
    here = cluster.jobs / f"{cluster.access.job}.json"
    of_slurm = {**json.loads(here.read_text()), "job": "slurm-12", "slurm_job": "12"}
    write_private(there / "slurm-12.json", json.dumps(of_slurm))
    write_private(cluster.jobs / "slurm-12.json", json.dumps({**of_slurm, "host": "far"}))
    for host in ("slurm:12", "slurm-12"):
        assert cluster.run(MAIN_PATHS.replace("HOST", repr(host))) == (MAIN_PATHS_PRINT, "")
    assert len(cluster.pids.read_text().split()) == 2
    (cluster.jobs / "slurm-12.json").unlink()


def test_an_access_file_in_any_folder_names_a_job(cluster):
    known, moved = cluster.jobs / f"{cluster.access.job}.json", cluster.place.folder / "job.json"
    known.rename(moved)
    text = MAIN_PATHS.replace("scheduler_host=HOST", "scheduler_file='job.json'")
    assert cluster.run(text) == (MAIN_PATHS_PRINT, "")
    moved.rename(known)


def write_private(path, text):
    path.write_text(text)
    path.chmod(0o600)


def test_ctrl_c_ends_the_call_and_the_next_one_works(cluster):
    script = cluster.place.write(
        "script.py",
        PRELUDE
        + """
    with parallel_config(backend="mpi", scheduler_host="ssh:there"):
        print(Parallel()(delayed(square)(i) for i in range(3)), "ready", flush=True)
        try:
            Parallel()(delayed(wait)() for i in range(4))
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(Parallel()(delayed(square)(i) for i in range(3)), "after", flush=True)
    """,
    )
    terminal = Terminal([sys.executable, str(script)], cwd=cluster.place.folder, env=cluster.place.environment)
    terminal.expect("ready")
    wait_until((cluster.place.folder / "started").exists)
    terminal.type(INTERRUPT)
    terminal.expect("interrupted")
    terminal.expect(r"\[0, 1, 4\] after")
    assert terminal.finish() == 0
    assert len(cluster.pids.read_text().split()) == 1


def test_nothing_is_left_of_a_client_that_is_killed(cluster):
    process = cluster.start(
        """
    Parallel(backend='mpi', scheduler_host='ssh:there')(delayed(wait)() for i in range(3))
    """
    )
    wait_until(lambda: (cluster.place.folder / "started").exists() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate(timeout=END_SECONDS)
    wait_until(lambda: not cluster.relays())


def test_a_killed_relay_costs_no_result_and_doubles_none(cluster):
    # On a busy machine, relays may be killed before they lead anywhere, again and again.
    cluster.place.environment["JOBLIB_MPI_RESUME_SECONDS"] = "3600"
    lines, stderr = cluster.run(
        f"""
    import random
    generator = random.Random(7)
    killed = set()
    n_taken = 0
    def kill_relays():
        while len(killed) < 20:
            before = n_taken
            while n_taken == before:  # until the relay leads to the job
                time.sleep(0.001)
            time.sleep(generator.uniform(0.0, 0.1))
            (*_, pid) = open({str(cluster.pids)!r}).read().split()
            if pid not in killed:
                killed.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)  # what it runs would be on the other host
    def noted(call, i, data):
        with open(f"runs-{{os.getpid()}}", "a") as file:
            print(call, i, file=file)
        return call, i, len(data)
    data = bytes(range(256)) * 1000
    with parallel_config(backend="mpi", scheduler_host="ssh:there"):
        Parallel()(delayed(abs)(i) for i in range(3))
        killer = threading.Thread(target=kill_relays)
        killer.start()
        call = 0
        while killer.is_alive() or call < 5:
            tasks = [delayed(noted)(call, i, data) for i in range(200)]
            found = []
            for result in Parallel(return_as="generator", batch_size=1)(tasks):
                n_taken += 1
                found.append(result)
            assert found == [(call, i, len(data)) for i in range(200)], (call, found)
            call += 1
    print(len(killed), flush=True)
    """
    )
    assert lines == ["20"]
    assert "was cut" in stderr
    runs = [line for file in cluster.place.folder.glob("runs-*") for line in file.read_text().splitlines()]
    assert len(runs) == len(set(runs))
    assert len(runs) % 200 == 0


def test_the_end_of_the_job_is_an_error_at_once(cluster):
    process = cluster.start(
        """
    try:
        Parallel(backend="mpi", scheduler_host="ssh:there")(delayed(wait)() for i in range(3))
    except joblib_mpi.SessionError as error:
        print(error)
    """
    )
    wait_until((cluster.place.folder / "started").exists)
    os.kill(cluster.access.pid, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
    assert "no job of yours serves clients" in stdout, (stdout, stderr)
    cluster.place("list")  # removes what the job has left


#: A host, JOBLIB_MPI_REMOTE_COMMAND if it is another one, and what the error says.
LEAD_NOWHERE = (
    ("ssh:elsewhere", None, ["status 255: ssh: Could not resolve hostname elsewhere", "BatchMode=yes elsewhere true"]),
    ("ssh:there/none", None, ["ssh:there/none cannot be reached: no job of yours has the name", "none"]),
    ("ssh:there", "no-such-command", ["there is no command joblib-mpi", "JOBLIB_MPI_REMOTE_COMMAND"]),
    ("ssh:there", "echo older >&2; exit 2;", ["ended with status 2: older"]),
    ("ssh:talks", None, ['prints "Welcome to the cluster" to stdout', ".bashrc"]),
)


def test_a_way_that_leads_nowhere_is_one_sentence_that_says_why(cluster):
    usual = cluster.place.environment["JOBLIB_MPI_REMOTE_COMMAND"]
    for host, setting, texts in LEAD_NOWHERE:
        cluster.place.environment["JOBLIB_MPI_REMOTE_COMMAND"] = usual if setting is None else setting
        lines, _ = cluster.run(
            f"""
    try:
        Parallel(backend="mpi", scheduler_host={host!r})([delayed(square)(1)])
    except joblib_mpi.SessionError as error:
        print(error)
    """
        )
        assert len(lines) == 1, lines
        assert all(text in lines[0] for text in texts), lines


def test_the_command_says_why_it_cannot_connect_and_prints_nothing_else(cluster):
    for words, status in ((["none"], 3), (["--here", "none"], 3), (["ssh:"], 3), (["-x"], 2), (["a", "b"], 2)):
        ended = cluster.place("connect", *words)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (status, "", 1), ended
        assert ended.stderr.startswith("joblib-mpi: ")
