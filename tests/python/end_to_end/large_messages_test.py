"""Tests of long messages that are not arrays, and of data for which a rank has no memory."""

import os

import pytest

# Far shorter than what follows takes on a busy machine, and far more pieces than a message by default.
ENVIRONMENT = {"JOBLIB_MPI_HEARTBEAT_SECONDS": "0.5", "JOBLIB_MPI_MESSAGE_PIECE_BYTES": "131072"}


SMALL_RESULTS = """
    import resource
    from joblib import Parallel, delayed, parallel_config

    def made(i, n):
        return bytes(n)

    def address_space():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()

    with parallel_config(backend="mpi", n_jobs=-1, spill_threshold="100GB", memory_budget="100GB"):
        before = resource.getrlimit(resource.RLIMIT_AS)
        # The C library may have taken 64 MB of addresses for each thread, which count already.
        resource.setrlimit(resource.RLIMIT_AS, (address_space() + 10_000_000, before[1]))
        try:
            Parallel(batch_size=BATCH)(delayed(made)(i, 5000) for i in range(60_000))
            print("they fit")
        except MemoryError:
            pass
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
        print(Parallel()(delayed(abs)(i) for i in range(5)))
    """


@pytest.mark.parametrize("batch_size", ["1", "'auto'"])
def test_small_results_for_which_rank_0_has_no_memory_end_their_call_and_not_the_session(mpirun, batch_size):
    done = mpirun.script(3, SMALL_RESULTS.replace("BATCH", batch_size))
    assert (done.status, done.stdout) == (0, "[0, 1, 2, 3, 4]\n"), done
    assert "lost" not in done.stderr, done


@pytest.mark.parametrize("isolation", ["process", "none"])
@pytest.mark.parametrize("ranks", [2, 4])
def test_long_bytes_go_to_tasks_and_back_and_no_worker_is_lost(mpirun, ranks, isolation):
    n_bytes = int(os.environ.get("JOBLIB_MPI_TEST_LONG_BYTES", "60000000"))
    done = mpirun.script(
        ranks,
        """
    import sys

    import joblib_mpi
    from joblib import Parallel, delayed, parallel_config

    N = int(sys.argv[1])
    TASKS = 4 if N < 1_000_000_000 else 1  # so that all results fit into the memory of a small machine
    long = bytes(range(250)) * (N // 250)

    def length(long, i):
        return i, len(long), long[-1]

    def made(i):
        return bytes([i]) * N

    expected = [(i, N, 249) for i in range(TASKS)]
    in_memory = {"spill_threshold": "100GB", "memory_budget": "100GB"}
    with parallel_config(backend="mpi", retries=0, **in_memory):
        print(Parallel(batch_size=1)(delayed(length)(long, i) for i in range(TASKS)) == expected)
        results = Parallel(batch_size=1)(delayed(made)(i) for i in range(TASKS))
        print([(len(result), result[0], result[-1]) for result in results] == [(N, i, i) for i in range(TASKS)])
        del results
        text = long[:N // 2].decode("latin-1")
        print(Parallel(batch_size=1)(delayed(length)(text, i) for i in range(2))[1][:2] == (1, N // 2))
        del text
    handle = joblib_mpi.scatter(long)
    with parallel_config(backend="mpi", retries=0):
        print(Parallel(batch_size=1)(delayed(length)(handle, i) for i in range(TASKS)) == expected)
        in_files = Parallel(batch_size=1)(delayed(made)(i) for i in range(TASKS))
        print([result[0] for result in in_files] == list(range(TASKS)))
    """,
        str(n_bytes),
        options=("--isolation", isolation),
        environment=ENVIRONMENT,
    )
    assert (done.status, done.stdout) == (0, "True\n" * 5), done
    assert "lost" not in done.stderr, done


def test_results_for_which_rank_0_has_no_memory_end_their_call_and_not_the_session(mpirun):
    done = mpirun.script(
        3,
        """
    import resource
    import numpy as np
    import joblib_mpi
    from joblib import Parallel, delayed, parallel_config

    def ones(i, n):
        return np.ones(n)

    def text(i, n):
        return "x" * n

    def double(i):
        return 2 * i

    def total(values, i):
        return float(values.sum())

    def address_space():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()

    def outcome(*tasks, **options):
        with parallel_config(backend="mpi", spill_threshold="100GB", memory_budget="100GB", **options):
            try:
                return Parallel(batch_size=1)(tasks)
            except (MemoryError, joblib_mpi.WorkerLostError) as error:
                return type(error).__name__, "no room for" in str(error)

    print(outcome(*(delayed(double)(i) for i in range(4))))
    array = np.ones(2_000_000)
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + 100_000_000, before[1]))
    for make, n in ((ones, 20_000_000), (text, 150_000_000)):
        print(outcome(*(delayed(make)(i, n) for i in range(4))))
        print(outcome(*(delayed(double)(i) for i in range(4))))
    both = outcome(delayed(ones)(0, 20_000_000), delayed(double)(1), on_error="return")
    print(type(both[0]).__name__, both[1])
    resource.setrlimit(resource.RLIMIT_AS, before)
    print(outcome(*(delayed(total)(array, i) for i in range(2))))
    print([len(result) for result in outcome(*(delayed(ones)(i, 10_000_000) for i in range(2)))])
    """,
    )
    assert done.status == 0, done
    assert done.stdout.splitlines() == [
        "[0, 2, 4, 6]",
        "('MemoryError', True)",
        "[0, 2, 4, 6]",
        "('MemoryError', True)",
        "[0, 2, 4, 6]",
        "MemoryError 2",
        "[2000000.0, 2000000.0]",
        "[10000000, 10000000]",
    ], done
    assert "lost" not in done.stderr, done
