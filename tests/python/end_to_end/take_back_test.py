"""Tests that no task waits behind a long one while a worker is idle."""

import joblib
import pytest

RANKS = 3
PRELUDE = """
    import os, pathlib, tempfile, time
    from joblib import Parallel, delayed, parallel_config

    def wait_for(path):
        end = time.monotonic() + 100
        while not path.exists():
            if time.monotonic() > end:
                raise TimeoutError(path)
            time.sleep(0.001)

    def wait_for_others(i, long, n_tasks, folder):
        if i != long:
            (folder / str(i)).touch()
            return i
        end = time.monotonic() + 100
        while len(os.listdir(folder)) < n_tasks - 1:
            if time.monotonic() > end:
                raise TimeoutError(f"{len(os.listdir(folder))} of {n_tasks} tasks have run")
            time.sleep(0.001)
        return i

    def number(i, waits, path):
        if waits:
            wait_for(path)
        return i
"""

JOBLIB = tuple(int(number) for number in joblib.__version__.split(".")[:2])


@pytest.mark.skipif(JOBLIB < (1, 4), reason="joblib 1.4 has generator_unordered")
@pytest.mark.also_attached
@pytest.mark.parametrize("batch_size", [1, "auto"])
def test_all_other_tasks_come_back_while_one_runs(run, batch_size):
    # The long task goes on only once all others have come back.
    assert (
        run(
            f"""
    with tempfile.TemporaryDirectory() as folder:
        for n_tasks in (10, 200):
            for long in range(0, n_tasks, n_tasks // 10):
                path = pathlib.Path(folder, f"{{n_tasks}}-{{long}}")
                results = Parallel(backend="mpi", batch_size={batch_size!r}, return_as="generator_unordered",
                                   pre_dispatch="all")(delayed(number)(i, i == long, path) for i in range(n_tasks))
                others = [next(results) for _ in range(n_tasks - 1)]
                path.touch()
                print(sorted(others) == [i for i in range(n_tasks) if i != long] and list(results) == [long])
    """
        )
        == ["True"] * 20
    )


@pytest.mark.also_attached
@pytest.mark.parametrize("isolation", ["process", "none"])
def test_all_other_tasks_of_a_batch_run_while_one_of_them_does(run, isolation):
    # The long task ends only once all others have.
    assert (
        run(
            """
    for n_tasks, batch_size in ((50, 50), (60, 20), (5, 5)):
        for long in (0, 1, n_tasks // 2, n_tasks - 1):
            with tempfile.TemporaryDirectory() as folder:
                tasks = (delayed(wait_for_others)(i, long, n_tasks, pathlib.Path(folder)) for i in range(n_tasks))
                print(Parallel(backend="mpi", batch_size=batch_size, pre_dispatch="all")(tasks) == list(range(n_tasks)))
    """,
            isolation=isolation,
        )
        == ["True"] * 12
    )


@pytest.mark.also_attached
def test_another_call_starts_while_the_first_ones_long_tasks_run(run):
    # Each long task of the first call goes on only once the second call has had a task on its worker.
    assert run(
        """
    import threading
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "go")
        def first():
            with parallel_config(backend="mpi"):
                Parallel(batch_size=1)(delayed(number)(i, False, path) for i in range(50))
                print(Parallel(batch_size=1)(delayed(number)(i, i == 5, path) for i in range(40)) == list(range(40)))
        thread = threading.Thread(target=first)
        thread.start()
        print(Parallel(backend="mpi")(delayed(abs)(-i) for i in range(20)) == list(range(20)))
        path.touch()
        thread.join()
    """
    ) == ["True", "True"]
