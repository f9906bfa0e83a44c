"""The C++ library beside farms of tasks that are written by hand, and beside DynaMPI where it is installed.

    .venv/bin/python benchmarks/peers_cpp.py [--rounds 7] [--ranks 2,3,4,8] [--only noop,metg]
        [--dynampi INCLUDE_DIRECTORY]
    .venv/bin/python benchmarks/peers_cpp.py --compare REVISION [REVISION]

Builds benchmark_farms, in which the farms take turns, and runs it with each number of ranks. The table has medians, the
spread of the rounds, and the ratio to joblib_mpi: above 1 means that joblib_mpi is ahead. Rows in percent are
efficiencies: task seconds / (workers × makespan), with rank 0 as no worker; METG is the length of task down to which a
farm reaches that efficiency of what the cores allow. A picture is left beside the table in build/peers.

``--compare`` has a column for the farm "joblib_mpi" of each commit: those given, and the work tree if only one is.
"""

import argparse
import os
import shutil
import subprocess
import sys

from comparison import FOLDER, ROOT, Row, environment_for, report, revision_source

OWN = "joblib_mpi"
WORKS = {
    "noop": ("no-op", "µs", False),
    "spin_1": ("tasks of 1 µs", "%", True),
    "spin_10": ("tasks of 10 µs", "%", True),
    "spin_100": ("tasks of 100 µs", "%", True),
    "spin_1000": ("tasks of 1 ms", "%", True),
    "metg_50": ("METG at 50 %", "µs", False),
    "metg_95": ("METG at 95 %", "µs", False),
    "lognormal": ("lognormal tasks, mean 2 ms", "%", True),
    "long_last": ("a long task last, of a list schedule", "%", True),
}


def rows_for(ranks):
    """Return the rows for these numbers of ranks, by "RANKS WORK"."""
    rows = {}
    for name, (title, unit, more_is_better) in WORKS.items():
        for number in ranks:
            of_the_cores = 100 * min(1, (os.cpu_count() or 1) / (number - 1))
            limit = of_the_cores if more_is_better else None
            rows[f"{number} {name}"] = Row(f"{title}, {number} ranks", unit, more_is_better, limit)
    return rows


def program_of(source, dynampi):
    """Return benchmark_farms of the library in this folder, built."""
    options = ["-DJOBLIB_MPI_TESTS=OFF", f"-DDYNAMPI_INCLUDE_DIR={dynampi or ''}"]
    build = source / "build" / "release"
    configure = ["cmake", "--preset", "release", *(options if dynampi else options[:1])]
    subprocess.run(configure, cwd=source, check=True, stdout=subprocess.DEVNULL)
    command = ["cmake", "--build", build, "--target", "benchmark_farms"]
    subprocess.run(command, cwd=source, check=True, stdout=subprocess.DEVNULL)
    return build / "benchmarks" / "cpp" / "benchmark_farms"


def source_with_this_benchmark(revision):
    """Return a folder with the files of the commit, and the benchmarks of the work tree."""
    folder = revision_source(revision)
    shutil.copytree(ROOT / "benchmarks" / "cpp", folder / "benchmarks" / "cpp", dirs_exist_ok=True)
    return folder


def measure(program, ranks, words):
    """Return the figures of one round with that many ranks, by farm and "RANKS WORK"."""
    command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), program, "1", *words]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    figures = {}
    for line in output.splitlines():
        farm, work, figure = line.split("|")
        figures.setdefault(farm, {}).setdefault(f"{ranks} {work}", []).append(float(figure))
    return figures


def parse():
    """Return the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--ranks", type=lambda text: [int(part) for part in text.split(",")], default=[2, 3, 4, 8])
    parser.add_argument("--only", type=lambda text: text.split(","), default=[])
    parser.add_argument("--dynampi", metavar="INCLUDE_DIRECTORY")
    parser.add_argument("--compare", nargs="+", metavar="REVISION")
    parser.add_argument("--small", action="store_true", help="a little of everything, to see whether it works")
    arguments = parser.parse_args()
    known = [*(name for name in WORKS if not name.startswith("metg_")), "metg"]
    if unknown := [name for name in arguments.only if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    if min(arguments.ranks) < 2:
        parser.error(f"--ranks {min(arguments.ranks)}: rank 0 does not work, so at least 2 are needed")
    return arguments


def main():
    """Build, measure, and print the table."""
    arguments = parse()
    FOLDER.mkdir(parents=True, exist_ok=True)
    revisions = arguments.compare or []
    programs = {revision: program_of(source_with_this_benchmark(revision), arguments.dynampi) for revision in revisions}
    if len(revisions) < 2:
        programs["work tree"] = program_of(ROOT, arguments.dynampi)
    columns = {}
    words = [*(["small"] if arguments.small else []), *arguments.only]
    for ranks in arguments.ranks:
        for number in range(arguments.rounds):
            print(f"{ranks} ranks, round {number + 1} of {arguments.rounds}", file=sys.stderr, flush=True)
            for revision, program in programs.items():
                for farm, figures in measure(program, ranks, words).items():
                    if revisions and farm != OWN:
                        continue
                    column = columns.setdefault(revision if revisions else farm, {})
                    for name, values in figures.items():
                        column.setdefault(name, []).extend(values)
    python = environment_for("drawing", "matplotlib")
    note = f"medians of {arguments.rounds} rounds (smallest–largest), {os.cpu_count()} cores"
    rows = {
        name: row for name, row in rows_for(arguments.ranks).items() if any(name in one for one in columns.values())
    }
    report(rows, columns, "peers_cpp", note, python)


if __name__ == "__main__":
    main()
