"""joblib-mpi beside what its users would pick instead, with as many workers each: loky, mpi4py.futures, dask and ray.

    .venv/bin/python benchmarks/peers.py [--rounds 7] [--workers 2] [--peers loky,dask] [--only noop_1,search]
    .venv/bin/python benchmarks/peers.py --compare REVISION [REVISION]
    .venv/bin/python benchmarks/peers.py --two-hosts        as root

The first run makes an environment in build/peers and installs this work tree and the peers there. In each round each
library is started, measures everything once and ends, so that no other one runs beside it. The table has medians, the
spread of the rounds, and the ratio to joblib-mpi: above 1 means that joblib-mpi is ahead. Its first column is the limit
where there is one. A picture is left beside the table in build/peers.

``--compare`` measures commits of this project in place of the peers: those given, and the work tree if only one is.
``--two-hosts`` has a second column of joblib-mpi with its ranks on two hosts, which are namespaces of this machine.
"""

import argparse
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from comparison import FOLDER, ROOT, Row, environment_for, report, revision_source

WORKLOADS = ROOT / "benchmarks" / "peers" / "workloads.py"
ON_TWO_HOSTS = ROOT / "benchmarks" / "peers" / "on_two_hosts.sh"
PEERS = ("loky", "mpi4py", "dask", "ray")
PACKAGES = ["mpi4py", "distributed", "ray", "scikit-learn", "matplotlib"]

ROWS = {
    "start": Row("start to first result", "s"),
    "noop_1": Row("no-op, batch_size=1", "µs"),
    "noop_auto": Row("no-op, batch_size=auto", "µs"),
    "two_tasks": Row("call of two tasks", "ms"),
    "two_tasks_after_idle": Row("the same after 0.5 s", "ms"),
    "lognormal_1": Row("lognormal tasks, batch_size=1", "%", True, 100),
    "lognormal_auto": Row("lognormal tasks, batch_size=auto", "%", True, 100),
    "nine_others_1": Row("nine tasks beside one of 1 s, batch_size=1", "ms", limit=0),
    "nine_others_auto": Row("the same, batch_size=auto", "ms", limit=0),
    "constant": Row("200 tasks with a 5 MB dict", "ms"),
    "large_array": Row("256 MB to all workers", "ms"),
    "search": Row("randomized search, digits", "s"),
    "forest": Row("forest of 200 trees, digits", "s"),
    "idle": Row("idle, all processes", "% of a core", limit=0),
}


def command_of(library, python, n_workers):
    """Return the command that runs a program with this library's workers."""
    mpirun = ["mpirun", "--oversubscribe", "-n", str(n_workers + 1), python]
    if library == "mpi_on_two_hosts":
        return [ON_TWO_HOSTS, str(n_workers + 1), python, "-m", "joblib_mpi"]
    if library == "mpi":
        return [*mpirun, "-m", "joblib_mpi"]
    if library == "mpi4py":
        return [*mpirun, "-m", "mpi4py.futures"]
    return [python]


def processor_seconds_below(pid):
    """Return the seconds of processor time that a process and all below it have used."""
    parents, ticks = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
            ticks[int(stat.parent.name)] = sum(map(int, fields[11:15]))  # with children that have ended
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return sum(ticks.get(process, 0) for process in below) / os.sysconf("SC_CLK_TCK")


def measure(library, python, arguments):
    """Return the figures of one round of one library, by workload."""
    size = "small" if arguments.small else "whole"
    names = [name for name in arguments.only if name != "start"]
    backend = "mpi" if library == "mpi_on_two_hosts" else library
    command = [
        *command_of(library, python, arguments.workers),
        WORKLOADS,
        backend,
        str(arguments.workers),
        size,
        *names,
    ]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    begin = time.perf_counter()
    figures = {}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        for line in job.stdout:
            name, _, value = line.strip().partition(" ")
            if name == "first_result":
                figures["start"] = time.perf_counter() - begin
            elif name == "idle_begins":
                idle_since, busy_before = time.perf_counter(), processor_seconds_below(job.pid)
            elif name == "idle_ends":
                busy = processor_seconds_below(job.pid) - busy_before
                figures["idle"] = 100 * busy / (time.perf_counter() - idle_since)
            elif name in ROWS:
                figures[name] = float(value)
        errors = job.stderr.read()
    if missing := [name for name in names if name not in figures and (library, name) not in NOT_MEASURED]:
        print(
            f"{library} has no figure for {', '.join(missing)} (status {job.returncode}):\n{errors[-2000:]}",
            file=sys.stderr,
        )
    return figures


#: mpi4py's executor runs no estimators.
NOT_MEASURED = {("mpi4py", "search"), ("mpi4py", "forest")}


def parse():
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--peers", type=lambda text: text.split(","), default=list(PEERS))
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(ROWS))
    parser.add_argument("--compare", nargs="+", metavar="REVISION")
    parser.add_argument("--two-hosts", action="store_true", help="joblib-mpi on two hosts, too; needs root")
    parser.add_argument("--small", action="store_true", help="a little of everything, to see whether it works")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.only if name not in ROWS]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(ROWS)}")
    if unknown := [name for name in arguments.peers if name not in PEERS]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(PEERS)}")
    return arguments


def main():
    """Install, measure in turns, and print the table."""
    arguments = parse()
    FOLDER.mkdir(parents=True, exist_ok=True)
    python = environment_for("environment", ROOT, PACKAGES)
    if arguments.compare:
        columns = {
            revision: ("mpi", environment_for(f"environment-{revision}", revision_source(revision), ["scikit-learn"]))
            for revision in arguments.compare
        }
        if len(columns) == 1:
            columns["work tree"] = ("mpi", python)
    else:
        columns = {"joblib-mpi": ("mpi", python)} | {peer: (peer, python) for peer in arguments.peers}
    if arguments.two_hosts:
        columns["on two hosts"] = ("mpi_on_two_hosts", python)
    rounds = {column: {} for column in columns}
    incomplete = set()
    for number in range(arguments.rounds):
        for column, (library, interpreter) in columns.items():
            print(f"round {number + 1} of {arguments.rounds}: {column}", file=sys.stderr, flush=True)
            figures = measure(library, interpreter, arguments)
            incomplete |= {column} if not figures else set()
            for name, figure in figures.items():
                rounds[column].setdefault(name, []).append(figure)
    rows = {name: ROWS[name] for name in arguments.only}
    note = f"medians of {arguments.rounds} rounds (smallest–largest), {arguments.workers} workers each"
    report(rows, rounds, "peers", note, python)
    if incomplete:
        sys.exit(f"without figures in a round: {', '.join(sorted(incomplete))}")


if __name__ == "__main__":
    main()
