"""What `benchmarks/peers.py` measures, with one library: one of its processes runs this file and prints the figures.

    workloads.py LIBRARY N_WORKERS SIZE WORKLOAD...

LIBRARY is a backend of joblib (mpi, loky, dask, ray) or mpi4py, whose executor has no joblib. Each workload is measured
once, after a warm-up of its own, and printed as ``name value`` with the value in the unit that `peers.py` shows.
"""

import random
import sys
import time
from contextlib import contextmanager

from joblib import Parallel, delayed, parallel_config

LIBRARY, N_WORKERS, SMALL = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "small"

#: mpi4py's executor, in the only process of it that runs this program.
EXECUTOR = None


def nothing(_):
    """Do nothing."""


def spin(seconds):
    """Keep a core busy."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def nap(seconds):
    """Wait, and say for how long."""
    time.sleep(seconds)
    return seconds


def length(table, _):
    """Look at the object."""
    return len(table)


def first(array, _):
    """Look at the array, for long enough that every worker has to."""
    time.sleep(0.01)
    return array[0]


def call(function, arguments, batch_size="auto"):
    """Run the function on each tuple of arguments and wait."""
    if EXECUTOR is None:
        return Parallel(n_jobs=N_WORKERS, batch_size=batch_size, pre_dispatch="all")(
            delayed(function)(*some) for some in arguments
        )
    chunk = 1 if batch_size == 1 else max(1, len(arguments) // (16 * N_WORKERS))
    return list(EXECUTOR.starmap(function, arguments, chunksize=chunk))


def seconds_of(function, *arguments, **options):
    """Return how long the call takes."""
    begin = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - begin


def noop(batch_size):
    """Return the microseconds per task of a function that does nothing."""
    n_tasks = 500 if SMALL else {"mpi": 20_000}.get(LIBRARY, 2_000)
    call(nothing, [(i,) for i in range(200)], batch_size)
    return seconds_of(call, nothing, [(i,) for i in range(n_tasks)], batch_size) / n_tasks * 1e6


def two_tasks(idle_seconds):
    """Return the milliseconds of a call of two tasks, the median of several, each after that much idleness."""
    times = []
    for _ in range(3 if SMALL else 15):
        time.sleep(idle_seconds)
        times.append(seconds_of(call, nothing, [(0,), (1,)]))
    return sorted(times)[len(times) // 2] * 1e3


def lognormal(batch_size):
    """Return the percentage of the workers' time that is spent in tasks of very different lengths, 2 ms on average."""
    numbers = random.Random(0)
    n_tasks = 200 if SMALL else 2000
    seconds = [numbers.lognormvariate(-1.125, 1.5) * 2e-3 for _ in range(n_tasks)]
    call(nothing, [(i,) for i in range(50)], batch_size)
    return 100 * sum(seconds) / N_WORKERS / seconds_of(call, spin, [(s,) for s in seconds], batch_size)


def nine_others(batch_size):
    """Return the milliseconds until nine tasks that take no time are there, beside a tenth that takes a second."""
    naps = [(1.0 if i == 4 else 0.0,) for i in range(10)]
    call(nothing, [(i,) for i in range(50)], batch_size)
    begin = time.perf_counter()
    if EXECUTOR is None:
        results = Parallel(
            n_jobs=N_WORKERS, batch_size=batch_size, return_as="generator_unordered", pre_dispatch="all"
        )(delayed(nap)(*some) for some in naps)
    else:
        results = EXECUTOR.starmap(nap, naps, chunksize=1, unordered=True)
    taken = []
    for _ in results:
        taken.append(time.perf_counter() - begin)
    return taken[8] * 1e3


def constant():
    """Return the milliseconds of 200 tasks with one object of 5 MB that is no array."""
    table = {str(i): i for i in range(100_000)}
    return seconds_of(call, length, [(table, i) for i in range(20 if SMALL else 200)]) * 1e3


def large_array():
    """Return the milliseconds until all workers have read from an array of 256 MB."""
    import numpy

    array = numpy.random.default_rng().random((4 if SMALL else 256) << 17)
    took = seconds_of(call, first, [(array, i) for i in range(2 * N_WORKERS)], 1) - 0.02
    call(nap, [(0.01,)] * (3 * N_WORKERS), 1)  # so that the array may be freed
    return took * 1e3


def search():
    """Return the seconds of a randomized search over the digits data."""
    import numpy
    from sklearn.datasets import load_digits
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.svm import SVC

    data, target = load_digits(return_X_y=True)
    grid = {"C": numpy.logspace(-6, 6, 13), "gamma": numpy.logspace(-8, 8, 17)}
    model = RandomizedSearchCV(SVC(), grid, n_iter=2 if SMALL else 20, cv=3, random_state=0, n_jobs=N_WORKERS)
    return seconds_of(model.fit, data, target)


def forest():
    """Return the seconds of a forest of 200 trees on the digits data."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier

    data, target = load_digits(return_X_y=True)
    return seconds_of(RandomForestClassifier(10 if SMALL else 200, random_state=0, n_jobs=N_WORKERS).fit, data, target)


def idle():
    """Do nothing, and say when it begins and ends: what all processes use in between is measured from outside."""
    call(nothing, [(0,), (1,)])
    time.sleep(1)  # for what ends soon after a call
    print("idle_begins", flush=True)
    time.sleep(1 if SMALL else 5)
    print("idle_ends", flush=True)


#: By name: the function and its arguments, and whether it needs joblib.
WORKLOADS = {
    "noop_1": (noop, (1,), False),
    "noop_auto": (noop, ("auto",), False),
    "two_tasks": (two_tasks, (0.0,), False),
    "two_tasks_after_idle": (two_tasks, (0.5,), False),
    "lognormal_1": (lognormal, (1,), False),
    "lognormal_auto": (lognormal, ("auto",), False),
    "nine_others_1": (nine_others, (1,), False),
    "nine_others_auto": (nine_others, ("auto",), False),
    "constant": (constant, (), False),
    "large_array": (large_array, (), False),
    "search": (search, (), True),
    "forest": (forest, (), True),
    "idle": (idle, (), False),
}


@contextmanager
def library():
    """Start the library with that many workers."""
    global EXECUTOR
    if LIBRARY == "mpi4py":
        from mpi4py.futures import MPIPoolExecutor

        with MPIPoolExecutor(N_WORKERS) as EXECUTOR:
            yield
    elif LIBRARY == "dask":
        from dask.distributed import Client, LocalCluster

        with (
            LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster),
            parallel_config(backend="dask"),
        ):
            yield
    elif LIBRARY == "ray":
        import ray
        from ray.util.joblib import register_ray

        ray.init(num_cpus=N_WORKERS, include_dashboard=False, logging_level="error")
        register_ray()
        with parallel_config(backend="ray"):
            yield
    else:
        with parallel_config(backend=LIBRARY):
            yield


def main():
    """Say when the first result is there, then measure."""
    with library():
        call(nothing, [(0,)] if EXECUTOR else [(0,), (1,)])
        print("first_result", flush=True)
        for name in sys.argv[4:]:
            function, arguments, needs_joblib = WORKLOADS[name]
            if not (needs_joblib and EXECUTOR):
                figure = function(*arguments)
                if figure is not None:
                    print(name, figure, flush=True)


if __name__ == "__main__":
    main()
