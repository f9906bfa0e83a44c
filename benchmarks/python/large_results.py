"""Results that exceed rank 0's memory budget: the peak of its memory, and the rate at which results arrive.

    mpirun --oversubscribe -n 3 .venv/bin/python -m joblib_mpi benchmarks/python/large_results.py

The run also measures these results with a budget that keeps all of them in memory, and the rate at which a plain file
takes as many bytes.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed


def block(i, size):
    """Make a result."""
    return np.full(size, float(i))


def resident_bytes(field):
    """Return one of the kernel's memory figures of this process."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field)]
    return int(line.split()[1]) * 1024


def forget_peak():
    """Make VmHWM count from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def mapped_files():
    """Return the number of files of large results that this process maps."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    return len({line.split()[4] for line in maps if "/joblib-mpi-" in line})


def main():
    """Print rates and the peaks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=int, default=300)
    parser.add_argument("--megabytes", type=int, default=8)
    parser.add_argument("--budget", default="600MB")
    arguments = parser.parse_args()
    size = arguments.megabytes * 1_000_000 // 8
    total = arguments.results * size * 8

    def run(budget):
        Parallel(backend="mpi", batch_size=1, memory_budget=budget)(delayed(block)(i, size) for i in range(4))
        forget_peak()
        before, start = resident_bytes("VmRSS"), time.perf_counter()
        results = Parallel(backend="mpi", batch_size=1, memory_budget=budget)(
            delayed(block)(i, size) for i in range(arguments.results)
        )
        seconds = time.perf_counter() - start
        peak = resident_bytes("VmHWM") - before
        start = time.perf_counter()
        assert all(float(result[-1]) == i for i, result in enumerate(results))
        looked = time.perf_counter() - start
        on_disk = mapped_files()
        print(
            f"budget {budget}: {total / seconds / 1e6:.0f} MB/s, peak of rank 0 {peak / 1e6:.0f} MB above the start, "
            f"{on_disk} of {len(results)} results in files, {looked * 1e3:.0f} ms to look at the end of each"
        )

    print(f"{arguments.results} results of {arguments.megabytes} MB")
    run(arguments.budget)
    run("100GB")
    data = block(0, size)
    with tempfile.TemporaryFile(dir=os.environ.get("TMPDIR")) as file:
        start = time.perf_counter()
        for _ in range(arguments.results):
            file.write(data)
        file.flush()
        print(f"writing as much into one file: {total / (time.perf_counter() - start) / 1e6:.0f} MB/s")


if __name__ == "__main__":
    main()
