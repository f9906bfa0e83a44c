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
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "peers"
WORKLOADS = ROOT / "benchmarks" / "peers" / "workloads.py"
ON_TWO_HOSTS = ROOT / "benchmarks" / "peers" / "on_two_hosts.sh"
PEERS = ("loky", "mpi4py", "dask", "ray")
PACKAGES = ["mpi4py", "distributed", "ray", "scikit-learn", "matplotlib"]

#: By workload: what it is, its unit, whether more is better, and the limit, if it is a number.
ROWS = {
    "start": ("start to first result", "s", False, None),
    "noop_1": ("no-op, batch_size=1", "µs", False, None),
    "noop_auto": ("no-op, batch_size=auto", "µs", False, None),
    "two_tasks": ("call of two tasks", "ms", False, None),
    "two_tasks_after_idle": ("the same after 0.5 s", "ms", False, None),
    "lognormal_1": ("lognormal tasks, batch_size=1", "%", True, 100),
    "lognormal_auto": ("lognormal tasks, batch_size=auto", "%", True, 100),
    "nine_others_1": ("nine tasks beside one of 1 s, batch_size=1", "ms", False, 0),
    "nine_others_auto": ("the same, batch_size=auto", "ms", False, 0),
    "constant": ("200 tasks with a 5 MB dict", "ms", False, None),
    "large_array": ("256 MB to all workers", "ms", False, None),
    "search": ("randomized search, digits", "s", False, None),
    "forest": ("forest of 200 trees, digits", "s", False, None),
    "idle": ("idle, all processes", "% of a core", False, 0),
}


def environment_for(name, source, packages=()):
    """Return the Python of the environment of that name, with the package of ``source``; made or updated if need be."""
    python = FOLDER / name / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER / name], check=True)
        subprocess.run([*pip, "scikit-learn", *packages], check=True)
    subprocess.run([*pip, source], check=True)
    return python


def revision_source(revision):
    """Return a folder with the files of the commit."""
    folder = FOLDER / f"source-{revision}"
    if not folder.exists():
        folder.mkdir(parents=True)
        archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "--extract", "--directory", folder], input=archive, check=True)
    return folder


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


def table(rounds, libraries, only):
    """Return the lines of a table: medians, spread, and the ratio to the first library."""
    lines = [
        "| work | unit | limit | " + " | ".join(libraries) + " |",
        "| --- | --- | --- |" + " --- |" * len(libraries),
    ]
    for name in only:
        title, unit, more_is_better, limit = ROWS[name]
        cells = []
        own = [figures[name] for figures in rounds[libraries[0]] if name in figures]
        for library in libraries:
            values = [figures[name] for figures in rounds[library] if name in figures]
            if not values:
                cells.append("–")
                continue
            median = statistics.median(values)
            cell = f"{median:.3g} ({min(values):.3g}–{max(values):.3g})"
            if library != libraries[0] and own:
                ratio = statistics.median(own) / median if more_is_better else median / statistics.median(own)
                cell += f" **{ratio:.2f}**"
            cells.append(cell)
        lines.append(f"| {title} | {unit} | {'–' if limit is None else limit} | {' | '.join(cells)} |")
    return lines


def draw(rounds, libraries, only, python):
    """Draw the ratios as bars, with matplotlib of the environment."""
    ratios = {}
    for name in only:
        own = [figures[name] for figures in rounds[libraries[0]] if name in figures]
        for library in libraries[1:]:
            values = [figures[name] for figures in rounds[library] if name in figures]
            if own and values and statistics.median(own) > 0 and statistics.median(values) > 0:
                ratio = statistics.median(values) / statistics.median(own)
                ratios.setdefault(library, {})[ROWS[name][0]] = 1 / ratio if ROWS[name][2] else ratio
    program = """
import json, sys
import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot
ratios, own, path = json.load(sys.stdin)
titles = list(dict.fromkeys(title for by_title in ratios.values() for title in by_title))[::-1]
figure, axes = pyplot.subplots(figsize=(9, 0.5 * len(titles) + 1), layout="constrained")
height = 0.8 / max(1, len(ratios))
for number, (library, by_title) in enumerate(ratios.items()):
    places = [titles.index(title) + 0.4 - (number + 0.5) * height for title in by_title]
    axes.barh(places, [value - 1 for value in by_title.values()], height, left=1, label=library)
axes.set_yticks(range(len(titles)), titles)
axes.set_xscale("log")
axes.axvline(1, color="black")
axes.set_xlabel(f"times as long as {own}")
axes.legend()
figure.savefig(path, dpi=120)
"""
    picture = FOLDER / "peers.png"
    subprocess.run(
        [python, "-c", program], input=json.dumps([ratios, libraries[0], str(picture)]), text=True, check=True
    )
    return picture


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
            revision: ("mpi", environment_for(f"environment-{revision}", revision_source(revision)))
            for revision in arguments.compare
        }
        if len(columns) == 1:
            columns["work tree"] = ("mpi", python)
    else:
        columns = {"joblib-mpi": ("mpi", python)} | {peer: (peer, python) for peer in arguments.peers}
    if arguments.two_hosts:
        columns["on two hosts"] = ("mpi_on_two_hosts", python)
    rounds = {column: [] for column in columns}
    for number in range(arguments.rounds):
        for column, (library, interpreter) in columns.items():
            print(f"round {number + 1} of {arguments.rounds}: {column}", file=sys.stderr, flush=True)
            rounds[column].append(measure(library, interpreter, arguments))
    lines = table(rounds, list(columns), arguments.only)
    print("\n".join(lines))
    (FOLDER / "peers.md").write_text("\n".join(lines) + "\n")
    print(f"\nmedians of {arguments.rounds} rounds (smallest–largest), {arguments.workers} workers each", end="")
    print(f"; the picture is {draw(rounds, list(columns), arguments.only, python).relative_to(ROOT)}")
    if without := [column for column, figures in rounds.items() if not all(figures)]:
        sys.exit(f"without figures: {', '.join(without)}")


if __name__ == "__main__":
    main()
