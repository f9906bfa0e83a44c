"""Tasks that all get one large array, without any hint: the time, and the bytes sent per task.

    mpirun --oversubscribe -n 3 .venv/bin/python -m joblib_mpi benchmarks/python/same_array.py

The run compares this with ``max_nbytes=None``, which sends the array with each task, and with loky.
"""

import argparse
import statistics
import time

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

import joblib_mpi
from joblib_mpi.payloads.task_format import TaskEncoder


class SentBytes:
    """Counts the bytes that are sent with the tasks themselves."""

    def __init__(self):
        self.total = 0
        encode = TaskEncoder.encode

        def counted(encoder, batch):
            task = encode(encoder, batch)
            self.total += len(task[1]) + sum(memoryview(buffer).nbytes for buffer in task[2])
            return task

        TaskEncoder.encode = counted


def one_value(array, i):
    """Read one value of the array."""
    return float(array[i])


def main():
    """Print medians, ratios and bytes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    size = arguments.megabytes * 1_000_000 // 8
    sent = SentBytes()
    n_jobs = effective_n_jobs(2)

    def run(seed, **options):
        array = np.random.default_rng(seed).normal(size=size)  # new content, which no rank has
        before, start = sent.total, time.perf_counter()
        results = Parallel(n_jobs=n_jobs, batch_size=1, **options)(
            delayed(one_value)(array, i) for i in range(arguments.tasks)
        )
        seconds = time.perf_counter() - start
        assert results == [float(array[i]) for i in range(arguments.tasks)]
        return seconds, (sent.total - before) / arguments.tasks

    ways = {
        "mpi": {"backend": "mpi"},
        "mpi, max_nbytes=None": {"backend": "mpi", "max_nbytes": None},
        "loky": {"backend": "loky"},
    }
    found = {way: [] for way in ways}
    for options in ways.values():
        Parallel(n_jobs=n_jobs, **options)(delayed(abs)(i) for i in range(100))
    for seed in range(arguments.rounds):
        for number, (way, options) in enumerate(ways.items()):
            found[way].append(run(10 * seed + number, **options))
    ours = statistics.median(seconds for seconds, _ in found["mpi"])
    print(f"{arguments.tasks} tasks with the same {arguments.megabytes} MB, {n_jobs} workers")
    for way, runs in found.items():
        median = statistics.median(seconds for seconds, _ in runs)
        nbytes = "" if way == "loky" else f"{statistics.median(sent for _, sent in runs):12,.0f} bytes sent with a task"
        print(f"{way:<22} {median:8.3f} s, {median / ours:6.1f} times mpi  {nbytes}")
    stats = joblib_mpi.stats()
    print(f"broadcast: {stats['broadcast']} arrays of {arguments.rounds}")


if __name__ == "__main__":
    main()
