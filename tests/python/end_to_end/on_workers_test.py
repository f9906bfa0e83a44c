"""Tests of `run_on_workers` on real ranks, from rank 0's program and from a client's."""

import pytest

RANKS = 4

PRELUDE = """
    import os
    import joblib_mpi
    from joblib import Parallel, delayed, parallel_config
    from joblib_mpi import run_on_workers
    def rank():
        return joblib_mpi.worker().rank
"""


@pytest.mark.also_attached
@pytest.mark.parametrize("ranks", [2, 4])
def test_each_worker_runs_the_function_once(run, ranks):
    assert run(
        """
    print(run_on_workers(rank))
    print(run_on_workers(rank, once_per_host=True))
    """,
        ranks,
    ) == [str(list(range(1, ranks))), "[1]"]


def test_on_the_only_rank_of_a_job_the_function_runs_there(mpirun):
    ended = mpirun.script(1, PRELUDE + "    print(run_on_workers(os.getpid) == [os.getpid()])")
    assert ended.status == 0, ended
    assert ended.stdout == "True\n"
    assert "has one rank" in ended.stderr


def test_it_runs_between_the_tasks_of_a_call_that_keeps_all_workers_busy(run):
    assert run(
        """
    import threading
    def wait(i, path):
        import time
        while not os.path.exists(path):
            time.sleep(0.001)
        return i
    started = threading.Event()
    def tasks():
        for i in range(200):
            if i == 3:
                started.set()
            yield delayed(wait)(i, "go")
    results = []
    caller = threading.Thread(target=lambda: results.append(Parallel(backend="mpi", batch_size=1)(tasks())))
    caller.start()
    started.wait()
    others = []
    looks = threading.Thread(target=lambda: others.append(run_on_workers(rank)))
    looks.start()
    open("go", "w").close()
    print(run_on_workers(rank))
    looks.join()
    caller.join()
    print(others, results == [list(range(200))])
    """,
    ) == ["[1, 2, 3]", "[[1, 2, 3]] True"]


def test_an_error_names_rank_and_host_and_the_other_workers(run):
    assert run(
        """
    import socket
    def fail():
        if rank() > 1:
            raise OSError(f"no disk on {rank()}")
        return "fine"
    try:
        run_on_workers(fail)
    except OSError as error:
        host = socket.gethostname()
        print(error, f"rank 2 on {host}" in str(error.__cause__), error.__notes__ == [
            f"It failed as well on rank 3 on {host} (OSError)."])
    print([type(outcome).__name__ for outcome in run_on_workers(fail, on_error="return")])
    """,
    ) == ["no disk on 2 True True", "['str', 'OSError', 'OSError']"]


def test_a_function_that_ends_its_executor_is_tried_again_on_the_same_worker(run):
    assert run(
        """
    def crash_once():
        path = f"crashed_{rank()}"
        if rank() == 2 and not os.path.exists(path):
            open(path, "w").close()
            os._exit(3)
        return rank()
    print(run_on_workers(crash_once))
    def crash():
        if rank() == 2:
            os._exit(3)
    with parallel_config(backend="mpi", retries=0):
        try:
            run_on_workers(crash)
        except joblib_mpi.WorkerLostError as error:
            print(error.rank, error.attempts, error.reason)
    """,
    ) == ["[1, 2, 3]", "2 1 exit code 3"]


def test_inside_a_task_it_is_refused(run):
    assert run(
        """
    def nested(i):
        try:
            run_on_workers(rank)
        except joblib_mpi.SessionError as error:
            return str(error)
    print(set(Parallel(backend="mpi")(delayed(nested)(i) for i in range(3))))
    """,
        2,
    ) == ["{'joblib_mpi.run_on_workers() works in the program, not inside a task'}"]
