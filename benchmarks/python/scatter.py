"""The time until all workers of a node have read an array of rank 0, and the memory that all processes take.

    mpirun --oversubscribe -n 4 .venv/bin/python -m joblib_mpi benchmarks/python/scatter.py

Three ways of this backend are measured: into memory that is new to the node (with JOBLIB_MPI_SPARE_BYTES=0), into
memory that an earlier object has freed, and again in a later call, found by content. The run compares them with
copies of the array into new and into warm shared memory, and with loky's memory maps.
"""

import argparse
import mmap
import os
import statistics
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs, parallel_config


def first_value(array):
    """Read from the array."""
    return array[0]


def seconds_of(function, *arguments):
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def scatter(array, n_workers):
    """Give each worker a task that reads the array, with the hint ``scatter``."""
    with parallel_config(backend="mpi", scatter=[array]):
        Parallel(batch_size=1)(delayed(first_value)(array) for _ in range(n_workers))


def find(array, n_workers):
    """Give each worker a task that reads the array, without a hint."""
    with parallel_config(backend="mpi"):
        Parallel(batch_size=1)(delayed(first_value)(array) for _ in range(n_workers))


def loky(array, n_workers):
    """Give each worker of loky, all of which have started, a task that reads the array."""
    Parallel(n_jobs=n_workers, backend="loky", batch_size=1)(delayed(first_value)(array) for _ in range(n_workers))


def settle(n_workers):
    """Run short tasks on all workers, which lets them free earlier arrays."""
    with parallel_config(backend="mpi"):
        Parallel(batch_size=1)(delayed(time.sleep)(0.01) for _ in range(3 * n_workers))


def copy_into_new_memory(array):
    """Copy the array into new shared memory."""
    descriptor = os.memfd_create("benchmark")
    os.ftruncate(descriptor, array.nbytes)
    with mmap.mmap(descriptor, array.nbytes) as memory:
        view = np.frombuffer(memory, array.dtype)
        np.copyto(view, array)
        del view
    os.close(descriptor)


def pss_bytes():
    """Return the proportional set size in bytes of mpirun and all processes that it has started."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    total, waiting = 0, [os.getppid()]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
    return total


def read_all(array):
    """Read each page of the array, and take long enough that another worker gets the next task."""
    time.sleep(0.2)
    return float(array.sum())


def copies_in_memory(array, n_workers):
    """Return the memory of a scattered array that all workers have read, beside rank 0's own, as a number of arrays."""
    settle(n_workers)
    before = pss_bytes()
    with parallel_config(backend="mpi", scatter=[array]):
        Parallel(batch_size=1)(delayed(read_all)(array) for _ in range(3 * n_workers))
        return (pss_bytes() - before) / array.nbytes


def main():
    """Print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with parallel_config(backend="mpi"):
        n_workers = effective_n_jobs(-1)
    array = np.ones(arguments.megabytes * 1_000_000 // 8)
    warm = np.ones_like(array)
    copies = copies_in_memory(array, n_workers)
    loky(array[:1000], n_workers)
    new_memory = os.environ.get("JOBLIB_MPI_SPARE_BYTES") == "0"
    ways = {
        "scatter": lambda: seconds_of(scatter, array, n_workers),
        "copy into new shared memory": lambda: seconds_of(copy_into_new_memory, array),
        "copy into warm memory": lambda: seconds_of(np.copyto, warm, array),
        "loky": lambda: seconds_of(loky, array + 0, n_workers),
        "found by content": lambda: seconds_of(find, array + 0, n_workers),
    }
    times = {way: [] for way in ways}
    for way in ("scatter", "found by content", "found by content"):  # to fill caches and make pages
        ways[way]()
        settle(n_workers)
    for _ in range(arguments.rounds):
        for way, measure in ways.items():
            times[way].append(measure())
            settle(n_workers)
    ours = statistics.median(times["scatter"])
    print(f"{n_workers} workers, {arguments.megabytes} MB, {'new' if new_memory else 'used'} memory for shared objects")
    for way, measured in times.items():
        median = statistics.median(measured)
        spread = f"({min(measured) * 1e3:.0f} - {max(measured) * 1e3:.0f})"
        print(f"{way:<28} {median * 1e3:8.1f} ms {spread:<14} scatter takes {ours / median:.2f} times that")
    print(f"memory of all processes: {copies:.2f} arrays beside rank 0's own")


if __name__ == "__main__":
    main()
