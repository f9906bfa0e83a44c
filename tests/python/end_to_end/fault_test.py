"""Tests of faults of user code on real ranks: the executor is replaced, the task is retried, and all else continues."""

import pytest

RANKS = 4
N_TASKS = 40

PRELUDE = """
    import ctypes, os, random, signal, sys, threading, time
    import numpy
    import joblib_mpi
    from joblib import Parallel, delayed, parallel_config
    from faults import *
"""

FAULTS = {
    "segmentation fault": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "os._exit": "os._exit(1)",
    "an exit without error": "os._exit(0)",
    "killed by itself": "os.kill(os.getpid(), signal.SIGKILL)",
    "killed from outside": "wait_to_be_killed()",
    "memory": "hog()",
    "endless loop": "endless()",
    "endless loop that catches everything": "stubborn()",
    "children": "fork_and_die()",
}


@pytest.fixture
def run_alone(mpirun):
    """Run a script in a separate job."""

    def run(text):
        mpirun.copy("faults.py")
        ended = mpirun.script(RANKS, PRELUDE + text)
        assert ended.status == 0, ended
        return ended.stdout.splitlines()

    return run


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_one_attempt_of_its_task_and_nothing_else(run, fault):
    options = {"memory": 'memory_limit="500MB"'}.get(fault, "task_timeout=3" if "loop" in fault else "")
    assert run(
        f"""
    def fault():
        {FAULTS[fault]}
    kill_who_waits()
    expected = all_tasks({options})
    os.remove("runs")
    print(all_tasks(fault, {options}) == expected)
    runs = noted("runs")
    print(sorted(runs, key=int) == sorted([*map(str, range(N_TASKS)), "7"], key=int))
    wait_for(lambda: all(map(dead, noted("children"))))
    check_next_call()
    """
    ) == ["True", "True", "clean"]


@pytest.mark.also_attached
@pytest.mark.parametrize(("options", "attempts"), [("", 3), ("retries=0", 1), ("retries=4", 5)])
def test_a_task_that_kills_its_executor_each_time_takes_exactly_its_attempts(run, options, attempts):
    assert run(
        f"""
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    def poison(i):
        if i == 11:
            note("attempts", i)
            ctypes.string_at(0)
        return i

    with parallel_config(backend="mpi", {options}):
        try:
            Parallel(batch_size=1)(delayed(poison)(i) for i in range(30))
        except TerminatedWorkerError as error:
            print(type(error) is joblib_mpi.WorkerLostError, error.task, error.function, 1 <= error.rank < 4)
            import socket
            print(error.host == socket.gethostname(), error.reason, error.attempts)
            print(str(error).split(" was lost ")[0])
    print(len(noted("attempts")))
    check_next_call()
    """
    ) == [
        "True 11 poison True",
        f"True signal 11 (SIGSEGV) {attempts}",
        'task 11 ("poison")',
        str(attempts),
        "clean",
    ]


def test_a_task_that_closes_all_files_of_its_process_costs_no_other_task(run):
    assert run(
        """
    def close_files(i):
        os.closerange(3, 10_000)
        return i
    def total(x):
        return float(x.sum())
    def call(function, values):
        return Parallel(backend="mpi", batch_size=1)(delayed(function)(value) for value in values)
    print(call(close_files, range(12)) == list(range(12)))
    print(call(total, [numpy.full(300_000, float(i)) for i in range(12)]) == [300_000.0 * i for i in range(12)])
    check_next_call()
    """
    ) == ["True", "True", "clean"]


FORKS = """
    def both_return(i):
        sys.stdout.write(f"<{i}")
        child = os.fork()
        if child == 0:
            if i % 2:
                time.sleep(0.2)  # so that the parent answers first
            sys.stdout.write(">\\n")
            return numpy.full(200_000, -1.0)
        if i % 2 == 0:
            os.waitpid(child, 0)
        return numpy.full(200_000, float(i))
    results = Parallel(backend="mpi", batch_size=BATCH)(delayed(both_return)(i) for i in range(8))
    print([result[[0, -1]].tolist() == [i, i] for i, result in enumerate(results)].count(True))
    check_next_call()
    """


@pytest.mark.parametrize("batch_size", [1, 2])
def test_of_a_task_that_forks_only_the_parent_answers(run, batch_size):
    assert run(FORKS.replace("BATCH", str(batch_size))) == ["8", "clean"]


def test_what_a_child_process_writes_into_an_array_is_its_own(run):
    # In tasks the array is an argument, and on rank 0 a result.
    assert (
        run(
            """
    def least_after_child(array):
        child = os.fork()
        if child == 0:
            try:
                array[:] = -1
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return float(array.min())
    def call(function, values):
        return Parallel(backend="mpi", batch_size=1, max_nbytes=None)(delayed(function)(value) for value in values)
    for size in (10, 10_000, 100_000, 1_000_000):
        print(call(least_after_child, [numpy.ones(size) for _ in range(4)]))
        print([least_after_child(array) for array in call(numpy.ones, [size] * 4)])
    """
        )
        == ["[1.0, 1.0, 1.0, 1.0]"] * 8
    )


def test_of_a_task_that_forks_in_its_rank_only_the_parent_answers_and_nothing_is_printed_twice(mpirun):
    mpirun.copy("faults.py")
    script = (
        PRELUDE
        + FORKS.replace("BATCH", "1")
        + """
    Parallel(backend="mpi", batch_size=1)(delayed(time.sleep)(0.3) for _ in range(6))  # the last child prints in it
    """
    )
    for isolation in ("process", "none"):
        ended = mpirun.script(3, script, options=("--isolation", isolation))
        assert ended.status == 0, ended
        assert "8\n" in ended.stdout, ended  # a child may print between this and the next
        assert "clean\n" in ended.stdout, ended
        # Open MPI 5's launcher sometimes forwards what a rank printed to its own standard error.
        printed = ended.stdout + (ended.stderr if mpirun.tells_of_dead_ranks else "")
        assert all(printed.count(f"<{i}") == 1 for i in range(8)), ended


def test_a_crash_shows_its_python_traceback(mpirun):
    mpirun.copy("faults.py")
    ended = mpirun.script(
        2,
        PRELUDE
        + """
    def crash_here():
        ctypes.string_at(0)
    try:
        Parallel(backend="mpi", batch_size=1)(delayed(crash_here)() for _ in range(1))
    except joblib_mpi.WorkerLostError as error:
        print(error.reason)
    """,
    )
    assert (ended.status, ended.stdout) == (0, "signal 11 (SIGSEGV)\n"), ended
    assert "Fatal Python error: Segmentation fault" in ended.stderr
    assert "in crash_here" in ended.stderr


@pytest.mark.also_attached
@pytest.mark.smoke
def test_a_task_over_its_time_or_memory_says_so(run):
    late, hungry, *rest = run(
        """
    for function, options in ((endless, {"task_timeout": 0.3}), (hog, {"memory_limit": "300MB"})):
        try:
            with parallel_config(backend="mpi", retries=1, **options):
                Parallel()([delayed(function)()])
        except joblib_mpi.WorkerLostError as error:
            print(type(error).__name__, isinstance(error, TimeoutError), error.attempts, "|", error)
    check_next_call()
    """
    )
    assert late.startswith('TaskTimeoutError True 2 | task 0 ("endless") was stopped on rank '), late
    assert "ran longer than its limit of 0.3 s" in late
    assert hungry.startswith('WorkerLostError False 2 | task 0 ("hog") was lost with its executor on rank '), hungry
    assert "of 300 MB" in hungry
    assert rest == ["clean"]


@pytest.mark.also_attached
def test_exceptions_are_tried_again_only_where_asked(run):
    assert run(
        """
    def flaky(i):
        note("attempts", i)
        if i == 3 and len([n for n in noted("attempts") if n == "3"]) < 3:
            raise OSError("not yet")
        return i
    def call(**options):
        with parallel_config(backend="mpi", **options):
            return Parallel(batch_size=1)(delayed(flaky)(i) for i in range(8))
    try:
        call()
    except OSError as error:
        print(error, noted("attempts").count("3"))
    print(call(retry_exceptions=True) == list(range(8)), noted("attempts").count("3"))
    """
    ) == ["not yet 1", "True 3"]


@pytest.mark.also_attached
@pytest.mark.parametrize("batch_size", [1, 10])
def test_failures_stand_in_the_results_where_asked(run, batch_size):
    assert run(
        f"""
    def mixed(i):
        if i == 3:
            raise KeyError(i)
        if i == 5:
            os._exit(4)
        if i == 8:
            time.sleep(600)
        return i
    with parallel_config(backend="mpi", on_error="return", retries=1, task_timeout=2):
        results = Parallel(batch_size={batch_size}, pre_dispatch="all")(delayed(mixed)(i) for i in range(20))
    print([i for i, result in enumerate(results) if result != i])
    print([type(results[i]).__name__ for i in (3, 5, 8)], results[5].reason, results[5].task)
    check_next_call()
    """
    ) == ["[3, 5, 8]", "['KeyError', 'WorkerLostError', 'TaskTimeoutError'] exit code 4 5", "clean"]


BUSY = {
    "sleeping": "time.sleep(600)",
    "computing": "while True: pass",
    "catching exceptions": "while True:\n            try: time.sleep(600)\n            except Exception: pass",
    "catching everything": "while True:\n            try: time.sleep(600)\n            except BaseException: pass",
}

ENDS = {
    "timeout": """
    try:
        Parallel(backend="mpi", timeout=2, batch_size=1)(tasks())
    except Exception as error:
        print("Timeout" in type(error).__name__)
    """,
    "exception": """
    def fail():
        wait_for(lambda: len(noted("begun")) >= 2)
        raise KeyError("first")
    try:
        Parallel(backend="mpi", batch_size=1)([*tasks(), delayed(fail)()])
    except KeyError:
        print(True)
    """,
    "dropped generator": """
    results = Parallel(backend="mpi", batch_size=1, return_as="generator")(tasks())
    wait_for(lambda: len(noted("begun")) >= 2)
    del results
    print(True)
    """,
    "Ctrl-C": """
    def press():
        wait_for(lambda: len(noted("begun")) >= 2)
        signal.raise_signal(signal.SIGINT)
    threading.Thread(target=press).start()
    try:
        Parallel(backend="mpi", batch_size=1)(tasks())
    except KeyboardInterrupt:
        print(True)
    """,
}


@pytest.mark.also_attached
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("busy", BUSY)
@pytest.mark.parametrize("end", ENDS)
def test_a_call_that_ends_early_stops_its_tasks_and_the_next_starts_clean(run, end, busy):
    assert run(
        f"""
    def stay(i):
        note("begun", i)
        {BUSY[busy]}
    def tasks():
        return [delayed(stay)(i) for i in range(2)]
    {ENDS[end]}
    check_next_call()
    check_next_call()
    """
    ) == ["True", "clean", "clean"]


def test_an_interactive_session_goes_on_after_ctrl_c(mpirun):
    lines = f"""
import os, signal, threading, time
from joblib import Parallel, delayed
def stay(i):
    open("begun", "a").close()
    time.sleep(600)

def press():
    while not os.path.exists("begun"): time.sleep(0.01)
    signal.raise_signal(signal.SIGINT)

threading.Thread(target=press).start()
x = Parallel(backend="mpi")(delayed(stay)(i) for i in range(9))
print(Parallel(backend="mpi")(delayed(pow)(i, 2) for i in range({RANKS})), "x" in globals())
"""
    ended = mpirun(RANKS, "-m", "joblib_mpi", "-i", stdin=lines)
    assert ended.status == 0, ended
    assert "[0, 1, 4, 9] False" in ended.stdout
    assert "KeyboardInterrupt" in ended.stderr


INSIDE_TASKS = {
    "multiprocessing": """
        import multiprocessing
        with multiprocessing.Pool(2) as pool:
            return pool.map(abs, [-1, -2])
        """,
    "spawned processes": """
        import multiprocessing
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.map(abs, [-1, -2])
        """,
    "subprocess": """
        import subprocess
        subprocess.run(["false"])
        subprocess.run(["true"], check=True)
        return eval(subprocess.check_output([sys.executable, "-c", "print([1, 2])"]))
        """,
    "concurrent.futures": """
        import concurrent.futures
        with concurrent.futures.ProcessPoolExecutor(2) as pool:
            return list(pool.map(abs, [-1, -2]))
        """,
    "loky": """
        return Parallel(n_jobs=2, backend="loky")(delayed(abs)(-i) for i in (1, 2))
        """,
    "separate MPI": """
        from mpi4py import MPI
        return [MPI.COMM_WORLD.Get_size(), MPI.COMM_WORLD.allreduce(2)]
        """,
}


@pytest.mark.parametrize("what", INSIDE_TASKS)
def test_tasks_may_start_processes_and_an_mpi_of_their_own(mpirun, run, run_alone, what):
    if "MPI" in what:
        pytest.importorskip("mpi4py")
        mpirun.may_leave_open_mpi_files = True
        run = run_alone
    assert run(
        f"""
    def inside(i):
{INSIDE_TASKS[what]}
    for _ in range(2):
        print(Parallel(backend="mpi", batch_size=1)(delayed(inside)(i) for i in range(6)) == [[1, 2]] * 6)
    check_next_call()
    """
    ) == ["True", "True", "clean"]


def test_a_new_executor_does_not_repeat_the_random_numbers_of_the_dead(run):
    assert run(
        """
    def draw(i):
        drawn = random.random(), numpy.random.random()
        note("drawn", "/".join(map(str, drawn)))
        if i % 2 and is_first(f"died{i}"):
            os._exit(1)
        return drawn
    numbers = Parallel(backend="mpi", batch_size=1)(delayed(draw)(i) for i in range(20))
    drawn = noted("drawn")
    print(len(drawn), len({pair.split("/")[0] for pair in drawn}), len({pair.split("/")[1] for pair in drawn}))
    """
    ) == ["30 30 30"]
