"""The cost of a checkpoint: the wall time of a call without one, with one, and with one that holds all results.

    mpirun -n 2 .venv/bin/python -m joblib_mpi benchmarks/python/checkpoint.py
    mpirun --oversubscribe -n 4 .venv/bin/python -m joblib_mpi benchmarks/python/checkpoint.py

There are two calls: tasks that do nothing, and tasks that sleep for 50 ms and return 1 MB. Each round runs the variants
with and without a checkpoint in alternating order and yields one ratio; medians and the range are printed. The time
with a checkpoint includes opening it, writing its last bytes to the disk, and merging its parts into one file.
"""

import argparse
import os
import statistics
import tempfile
import time

import joblib
import numpy as np
from joblib import Parallel, delayed, parallel_config


def nothing(number):
    """Do nothing; the number makes each task different."""


def sleep_and_return(number, seconds, n_values):
    """Take time without taking a core from the other ranks."""
    time.sleep(seconds)
    return np.full(n_values, float(number))


def noop_tasks(n_tasks):
    """Return the calls that do nothing."""
    return [delayed(nothing)(number) for number in range(n_tasks)]


def large_results(n_tasks):
    """Return the calls that take 50 ms and return 1 MB."""
    return [delayed(sleep_and_return)(number, 0.05, 125_000) for number in range(n_tasks)]


def seconds_of(calls, path, batch_size):
    """Return how long one block with these calls takes."""
    options = {} if path is None else {"checkpoint": path}
    begin = time.perf_counter()
    with parallel_config(backend="mpi", **options):
        Parallel(batch_size=batch_size)(calls)
    seconds = time.perf_counter() - begin
    if path is not None and not os.path.exists(path):
        raise RuntimeError(f"{path} is not there: the block ended without a merge")
    return seconds


def measure(calls, folder, arguments):
    """Return the seconds without a checkpoint, with one, and with one that holds all results, by round."""
    rounds = []
    for turn in range(arguments.rounds):
        path = os.path.join(folder, f"{turn}.h5")
        seconds = {}
        for way in ("without", "with") if turn % 2 == 0 else ("with", "without"):
            seconds[way] = seconds_of(calls, path if way == "with" else None, arguments.batch_size)
        seconds["resumed"] = seconds_of(calls, path, arguments.batch_size)
        os.remove(path)
        rounds.append(seconds)
    return rounds


def in_words(figures, unit):
    """Return the median and the range."""
    return f"{statistics.median(figures):.3g}{unit} ({min(figures):.3g} - {max(figures):.3g})"


def main():
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--noop-tasks", type=int, default=20_000)
    parser.add_argument("--large-tasks", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=lambda text: text if text == "auto" else int(text), default="auto")
    parser.add_argument("--folder", help="where the checkpoints are written; temporary files by default")
    arguments = parser.parse_args()
    with parallel_config(backend="mpi"):
        n_jobs = joblib.effective_n_jobs(-1)
    print(f"joblib {joblib.__version__}, n_jobs={n_jobs}, batch_size={arguments.batch_size}, {arguments.rounds} rounds")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        seconds_of(noop_tasks(200), None, 1)  # to start processes and fill caches
        seconds_of(noop_tasks(200), os.path.join(folder, "warm.h5"), 1)
        for name, calls in (
            (f"{arguments.noop_tasks} no-op tasks", noop_tasks(arguments.noop_tasks)),
            (f"{arguments.large_tasks} tasks of 50 ms and 1 MB", large_results(arguments.large_tasks)),
        ):
            rounds = measure(calls, folder, arguments)
            print(name)
            for way in ("without", "with", "resumed"):
                print(f"  {way:<8} {in_words([seconds[way] for seconds in rounds], ' s')}")
            for way in ("with", "resumed"):
                ratios = [seconds[way] / seconds["without"] for seconds in rounds]
                print(f"  {way + ' / without':<18} {in_words(ratios, '')}")


if __name__ == "__main__":
    main()
