"""The time per task of a function that does nothing, one task per batch: joblib's floor, this backend, and loky.

    mpirun -n 2 .venv/bin/python -m joblib_mpi benchmarks/python/noop_tasks.py

The floor is the time that joblib itself takes, measured with a backend that calls back at once and runs nothing. Rounds
alternate between the backends, so that a disturbance of the machine affects all of them. Medians and their ratios are
printed.
"""

import argparse
import statistics
import time

import joblib
from joblib import Parallel, delayed
from joblib.parallel import ParallelBackendBase, register_parallel_backend


class FloorBackend(ParallelBackendBase):
    """Calls back from `submit`, one callback after another, because a callback submits the next task."""

    supports_retrieve_callback = True

    def effective_n_jobs(self, n_jobs):
        """Return the number that is asked for."""
        return n_jobs

    def start_call(self):
        """Begin with no pending callback."""
        self._callbacks = []

    def submit(self, func, callback=None):
        """Call back now, or after the callback that is running."""
        self._callbacks.append(callback)
        if len(self._callbacks) == 1:
            while self._callbacks:
                self._callbacks[0](None)
                del self._callbacks[0]

    apply_async = submit

    def retrieve_result_callback(self, out):
        """Return the results of a batch of one."""
        return [None]


def nothing(_):
    """Do nothing."""


def microseconds_per_task(backend, n_jobs, n_tasks):
    """Return the time per task of one call with ``n_tasks`` tasks."""
    start = time.perf_counter()
    Parallel(n_jobs=n_jobs, backend=backend, batch_size=1, pre_dispatch="10 * n_jobs")(
        delayed(nothing)(i) for i in range(n_tasks)
    )
    return (time.perf_counter() - start) / n_tasks * 1e6


def main():
    """Print medians, ratios and spread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=20_000, help="tasks per call (loky: a tenth)")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    register_parallel_backend("floor", FloorBackend)
    with joblib.parallel_config(backend="mpi"):
        n_jobs = joblib.effective_n_jobs(-1)

    n_tasks = {"floor": arguments.tasks, "mpi": arguments.tasks, "loky": max(1, arguments.tasks // 10)}
    times = {backend: [] for backend in n_tasks}
    for backend in n_tasks:  # to start processes and fill caches
        microseconds_per_task(backend, n_jobs, 200)
    for _ in range(arguments.rounds):
        for backend, n in n_tasks.items():
            times[backend].append(microseconds_per_task(backend, n_jobs, n))

    floor = statistics.median(times["floor"])
    print(f"joblib {joblib.__version__}, n_jobs={n_jobs}, {arguments.rounds} rounds; microseconds per task")
    for backend, measured in times.items():
        median = statistics.median(measured)
        spread = f"({min(measured):.1f} - {max(measured):.1f})"
        print(f"{backend:<6} {median:8.1f}   {median / floor:5.2f} x floor   {spread}")


if __name__ == "__main__":
    main()
