"""Tests of errors on real ranks: each says what happened, where, and what to do, and the next call works."""

import pytest

pytestmark = pytest.mark.system

PRELUDE = """
    import os, sys, threading, time, traceback
    import joblib_mpi
    from joblib import Parallel, delayed, parallel_config
    def square(x):
        return x * x
    def show(*tasks, **options):
        try:
            Parallel(backend="mpi", **options)(tasks)
        except BaseException as error:
            print(type(error).__name__, "|", " ".join(f"{error} | {error.__cause__}".split()))
        print(Parallel(backend="mpi")(delayed(square)(i) for i in range(3)))
        print(Parallel(backend="mpi")(delayed(square)(i) for i in range(3)))
"""
AFTER = ["[0, 1, 4]"] * 2


@pytest.fixture
def first_line(mpirun, shared_script):
    """Run a script and return its first line of output; without `options`, in a job that these tests share."""

    def run(text, **options):
        ended = mpirun.script(3, PRELUDE + text, **options) if options else shared_script(3, PRELUDE + text)
        assert ended.status == 0, ended
        first, *after = ended.stdout.splitlines()
        assert after == AFTER, ended
        return first

    return run


def test_an_exception_names_rank_and_host_and_shows_the_remote_traceback(first_line):
    line = first_line("""
    import socket
    def fail():
        raise KeyError("k")
    show(*[delayed(fail)() for _ in range(5)])
    """)
    assert line.startswith("KeyError | 'k' | Raised by a task on rank ")
    assert "in fail raise KeyError" in line


def test_an_argument_that_cannot_be_pickled(first_line):
    line = first_line("    show(delayed(square)(2), delayed(square)(threading.Lock()))\n")
    assert line.startswith('PicklingError | the function or an argument of task "square" cannot be pickled')


def test_a_result_that_cannot_be_pickled(first_line):
    line = first_line("    show(delayed(threading.Lock)(), delayed(square)(2))\n")
    assert line.startswith("PicklingError | the result of a task (of type lock) cannot be pickled")


def test_an_exception_that_cannot_be_pickled(first_line):
    line = first_line("""
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__("odd")
            self.lock = threading.Lock()
    def fail():
        raise Odd(1, 2)
    show(delayed(fail)(), delayed(fail)())
    """)
    assert line.startswith("RuntimeError | Odd: odd | Raised by a task on rank ")


def test_a_module_that_only_rank_0_has(first_line):
    line = first_line("""
    import types
    only_here = types.ModuleType("only_here")
    exec("def f(): return 1", only_here.__dict__)
    sys.modules["only_here"] = only_here
    show(delayed(only_here.f)(), delayed(only_here.f)())
    """)
    assert line.startswith("WorkerImportError | a task needs something that its worker rank cannot import")
    assert "cloudpickle.register_pickle_by_value(only_here)" in line
    assert "rank " in line


def test_a_task_that_calls_sys_exit_ends_its_executor(first_line):
    line = first_line("    show(delayed(sys.exit)(3), delayed(square)(1))\n", options=("--isolation", "process"))
    assert line.startswith('WorkerLostError | task 0 ("exit") was lost with its executor on rank ')
    assert "exit code 3; 3 attempts" in line


def test_a_task_that_calls_sys_exit_in_the_rank_itself_raises(first_line):
    line = first_line("    show(delayed(sys.exit)(3), delayed(square)(1))\n", options=("--isolation", "none"))
    assert line.startswith("SystemExit | 3 |")


def test_a_timeout_stops_the_tasks(first_line):
    assert "Timeout" in first_line("    show(*[delayed(time.sleep)(600)] * 4, timeout=0.5)\n")


def test_an_error_stops_tasks_that_still_run(first_line):
    line = first_line("    show(delayed(time.sleep)(600), delayed(divmod)(1, 0), batch_size=1)\n")
    assert line.startswith("ZeroDivisionError")


def test_an_endless_loop_is_stopped(first_line):
    line = first_line(
        """
    def endless():
        while True:
            try:
                sum(range(1000))
            except Exception:
                pass
    show(delayed(endless)(), delayed(divmod)(1, 0), batch_size=1)
    """
    )
    assert line.startswith("ZeroDivisionError")


def test_an_error_of_the_task_list(first_line):
    line = first_line("""
    class Tasks:
        def __iter__(self):
            yield from [delayed(square)(i) for i in range(20)]
            raise OSError("the list of tasks is gone")
    try:
        Parallel(backend="mpi")(Tasks())
    except OSError as error:
        print(error)
    for _ in range(2):
        print(Parallel(backend="mpi")(delayed(square)(i) for i in range(3)))
    """)
    assert line == "the list of tasks is gone"


def test_writing_to_a_scattered_array(first_line):
    line = first_line("""
    import numpy
    array = numpy.zeros(100_000)
    def write(array):
        array[0] = 1
    try:
        with parallel_config(backend="mpi", scatter=[array]):
            Parallel()(delayed(write)(array) for _ in range(2))
    except ValueError as error:
        print(error, *error.__notes__)
    for _ in range(2):
        print(Parallel(backend="mpi")(delayed(square)(i) for i in range(3)))
    """)
    assert "read-only" in line
    assert "scatter=[...]" in line


def test_the_backend_without_a_session_says_how_to_start_one(mpirun):
    ended = mpirun(2, "-c", "import joblib_mpi, joblib; joblib.Parallel(backend='mpi')([joblib.delayed(abs)(1)])")
    assert ended.status == 1, ended
    assert "python -m joblib_mpi script.py" in ended.stderr
