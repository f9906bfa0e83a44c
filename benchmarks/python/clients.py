"""The cost of being a client: the same calls from rank 0's program, and from programs that are its clients.

    .venv/bin/python benchmarks/python/clients.py [--dask-python PYTHON]

A job serves on this machine, with two workers. Its clients are a program that finds its socket, one that comes over TLS
and TCP, and one that comes through a command as it does through ssh. Rank 0's program is one under mpirun, with as many
workers. A Python that has joblib and distributed adds a client of dask's scheduler with two workers. Rounds alternate
between them all. A copy through the same command without a job is what that relay can do at best.

Medians, ratios and ranges are printed. The ranks of one job use a core each while it works, so that only one does.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import joblib
from joblib import Parallel, delayed, parallel_config

N_WORKERS = 2
BIN = Path(sys.executable).parent
MPIRUN = ["mpirun", "--oversubscribe", "-n", str(N_WORKERS + 1), sys.executable, "-m", "joblib_mpi"]

#: In place of ssh: runs the command here, in a shell.
SSH = '#!/bin/sh\nwhile test "$1" != --; do shift; done\nexec sh -c "$3"\n'

#: What `joblib-mpi connect` does with a job's socket.
BARE_RELAY = """
import socket, sys
from joblib_mpi.serving.byte_flow import join_streams
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    join_streams(0, 1, connection)
"""

DASK_CLUSTER = """
import sys
from dask.distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def nothing(_):
    """Do nothing."""


def first_value(array):
    """Read from the array."""
    return array[0]


def noop_microseconds(n_tasks):
    """Return the time per task of one call with that many tasks."""
    start = time.perf_counter()
    Parallel(batch_size=1, pre_dispatch="10 * n_jobs")(delayed(nothing)(i) for i in range(n_tasks))
    return (time.perf_counter() - start) / n_tasks * 1e6


def scatter_milliseconds(nbytes):
    """Return the time until each worker has read from an array of that size; short tasks after it let it be freed."""
    import numpy as np

    array = np.ones(nbytes // 8)
    start = time.perf_counter()
    with parallel_config(backend="mpi", scatter=[array]):
        Parallel(batch_size=1)(delayed(first_value)(array) for _ in range(N_WORKERS))
    took = (time.perf_counter() - start) * 1e3
    Parallel(batch_size=1)(delayed(time.sleep)(0.01) for _ in range(3 * N_WORKERS))
    return took


def work(settings):
    """Measure what each line of stdin asks for, with these arguments of `parallel_config`."""
    if "address" in settings:
        from dask.distributed import Client

        Client(settings.pop("address"))
    else:
        import joblib_mpi  # noqa: F401
    with parallel_config(**settings):
        noop_microseconds(200)
        print("ready", flush=True)
        for line in sys.stdin:
            what, number = line.split()
            print({"noop": noop_microseconds, "scatter": scatter_milliseconds}[what](int(number)), flush=True)


class Program:
    """A program of a way, which measures when it is asked to."""

    def __init__(self, command, environment=None):
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
        )
        assert self._process.stdout.readline() == "ready\n"

    def measure(self, what, number):
        """Return the figure."""
        print(what, number, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def close(self):
        """End the program."""
        self._process.stdin.close()
        self._process.wait()


def serving_job(stack, folder):
    """Start a job that serves, and return the arguments with which each kind of client finds it."""
    os.environ["XDG_STATE_HOME"] = str(folder)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    command = [str(BIN / "joblib-mpi"), "serve", "-n", str(N_WORKERS + 1), "--listen", address]
    job = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(job.terminate)
    while "joblib-mpi list" not in job.stdout.readline():
        assert job.poll() is None
    found = list(folder.glob("joblib-mpi/jobs/*.json"))
    name = json.loads(found[0].read_text())["job"]
    (folder / "ssh").write_text(SSH)
    (folder / "ssh").chmod(0o700)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    os.environ["JOBLIB_MPI_REMOTE_COMMAND"] = str(BIN / "joblib-mpi")
    return {"socket": name, "TLS": address, "relay": f"ssh:here/{name}"}


def bare_relay_milliseconds(nbytes, folder):
    """Return the time that the bytes take through a relay to a process that throws them away and answers."""
    path = str(folder / "sink")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        ours, theirs = socket.socketpair()
        relay = subprocess.Popen([sys.executable, "-c", BARE_RELAY, path], stdin=theirs, stdout=theirs)
        theirs.close()
        connection, _ = listener.accept()
    if (sink := os.fork()) == 0:
        ours.close()
        left, buffer = nbytes, bytearray(1 << 20)
        while left > 0:
            left -= connection.recv_into(buffer)
        connection.sendall(b"1")
        os._exit(0)
    connection.close()
    data = bytes(nbytes)
    start = time.perf_counter()
    ours.sendall(data)
    ours.recv(1)
    took = (time.perf_counter() - start) * 1e3
    ours.close()
    relay.wait()
    os.waitpid(sink, 0)
    os.unlink(path)
    return took


def start_seconds(command):
    """Return the time until a program has printed its first result."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        program.stdout.readline()
        took = time.perf_counter() - start
        program.communicate()
    return took


def programs(stack, folder, dask_python):
    """Start the program of each way and return them by name."""
    ways = {"rank 0": [*MPIRUN, __file__, "--work", json.dumps({"backend": "mpi"})]}
    for name, host in serving_job(stack, folder).items():
        settings = json.dumps({"backend": "mpi", "scheduler_host": host})
        ways[f"client, {name}"] = [sys.executable, __file__, "--work", settings]
    if dask_python:
        cluster = subprocess.Popen(
            [dask_python, "-c", DASK_CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stack.callback(cluster.wait)
        stack.callback(cluster.stdin.close)
        settings = json.dumps({"backend": "dask", "address": cluster.stdout.readline().strip()})
        ways["dask"] = [dask_python, __file__, "--work", settings]
    return {name: stack.enter_context(closing(Program(command))) for name, command in ways.items()}


def table(title, times, first):
    """Print medians, and their ratios to that of ``first``."""
    print(f"\n{title}")
    base = statistics.median(times[first])
    for name, measured in times.items():
        median = statistics.median(measured)
        print(
            f"{name:<20} {median:9.2f}   {median / base:6.2f} x {first}   ({min(measured):.2f} - {max(measured):.2f})"
        )


def main():
    """Print medians, ratios and ranges."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks of a call; dask's has a twentieth")
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dask-python", help="a Python with joblib, numpy and distributed")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--first-result", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.first_result:
        import joblib_mpi  # noqa: F401

        print(Parallel(backend="mpi")([delayed(nothing)(0)]), flush=True)
        return None
    if arguments.work:
        return work(json.loads(arguments.work))
    nbytes = arguments.megabytes * 1_000_000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jm")))
        ways = programs(stack, folder, arguments.dask_python)
        noop = {name: [] for name in ways}
        scatter = {name: [] for name in ways if name != "dask"} | {"bare relay": []}
        for name in list(scatter)[:-1]:  # to make pages
            ways[name].measure("scatter", nbytes)
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                noop[name].append(way.measure("noop", arguments.tasks // (20 if name == "dask" else 1)))
            for name in scatter:
                if name == "bare relay":
                    scatter[name].append(bare_relay_milliseconds(nbytes, folder))
                else:
                    scatter[name].append(ways[name].measure("scatter", nbytes))
    print(f"joblib {joblib.__version__}, {N_WORKERS} workers, {arguments.rounds} rounds")
    table("microseconds per task that does nothing, batch_size=1", noop, "rank 0")
    table(f"milliseconds until all workers have read from {arguments.megabytes} MB", scatter, "rank 0")
    share = statistics.median(scatter["bare relay"]) / statistics.median(scatter["client, relay"])
    print(f"the client's relay copies at {share:.0%} of the speed of the bare one")

    own = [sys.executable, __file__, "--first-result"]
    starts = {"mpirun": [*MPIRUN, *own[1:]], "python": own}
    seconds = {name: [] for name in starts}
    for _ in range(arguments.rounds):
        for name, command in starts.items():
            seconds[name].append(start_seconds(command))
    table("seconds from the start of a program to its first result", seconds, "mpirun")
    return None


if __name__ == "__main__":
    main()
