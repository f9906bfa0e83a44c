"""The cost of executor processes: the time per no-op task, and the time to a new executor after one has died.

    .venv/bin/python benchmarks/python/isolation.py [--ranks 2] [--preload sklearn]

Starts jobs with isolation "process" and "none" in turn, so that a disturbance of the machine affects both, and prints
medians over the rounds. The time of a new executor runs from the end of a task that kills the old one to the answer of
the next task.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

JOB = """
import os, signal, sys, time
from joblib import Parallel, delayed

def nothing(_):
    pass

def die(path):
    if not os.path.exists(path):
        open(path, "w").close()
        with open(path + ".time", "w") as file:
            file.write(repr(time.monotonic()))
        os.kill(os.getpid(), signal.SIGKILL)
    return time.monotonic()

def no_ops(n):
    begin = time.perf_counter()
    Parallel(backend="mpi", batch_size=1, pre_dispatch="10 * n_jobs")(delayed(nothing)(i) for i in range(n))
    return (time.perf_counter() - begin) / n * 1e6

isolation, n, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
no_ops(n // 10)
print(no_ops(n))
if isolation == "process":
    for turn in range(10):
        path = f"{folder}/{os.getpid()}.{turn}"
        [back] = Parallel(backend="mpi")([delayed(die)(path)])
        with open(path + ".time") as file:
            print((back - float(file.read())) * 1e3)
"""


def run(script: str, isolation: str, arguments: argparse.Namespace, folder: str) -> tuple[float, list[float]]:
    """Return the microseconds per no-op task, and the milliseconds until a new executor has answered."""
    options = ["--isolation", isolation]
    if arguments.preload and isolation == "process":
        options += ["--preload", arguments.preload]
    oversubscribe = [] if (os.cpu_count() or 1) >= arguments.ranks else ["--oversubscribe"]
    command = ["mpirun", *oversubscribe, "-n", str(arguments.ranks), sys.executable, "-m", "joblib_mpi", *options]
    command += [script, isolation, str(arguments.tasks), folder]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout.split()
    return float(printed[0]), [float(word) for word in printed[1:]]


def main() -> None:
    """Print medians and their difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--preload", help="modules that each executor finds imported")
    arguments = parser.parse_args()
    per_task: dict[str, list[float]] = {"process": [], "none": []}
    replaced: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "job.py")
        with open(script, "w") as file:
            file.write(JOB)
        for _ in range(arguments.rounds):
            for isolation, figures in per_task.items():
                microseconds, milliseconds = run(script, isolation, arguments, folder)
                figures.append(microseconds)
                replaced += milliseconds
    medians = {isolation: statistics.median(figures) for isolation, figures in per_task.items()}
    for isolation, figures in per_task.items():
        spread = f"{min(figures):.1f} to {max(figures):.1f}"
        print(f"isolation {isolation:8} {medians[isolation]:7.1f} us per no-op task   ({spread})")
    print(f"added by isolation {medians['process'] - medians['none']:7.1f} us")
    print(f"new executor       {statistics.median(replaced):7.1f} ms until its answer  ({max(replaced):.1f} at most)")


if __name__ == "__main__":
    start = time.perf_counter()
    main()
    print(f"({time.perf_counter() - start:.0f} s in all)")
