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


@pytest.mark.also_attached
def test_an_exception_names_rank_and_host_and_shows_the_remote_traceback(first_line):
    line = first_line("""
    import socket
    def fail():
        raise KeyError("k")
    show(*[delayed(fail)() for _ in range(5)])
    """)
    assert line.startswith("KeyError | 'k' | Raised by a task on rank ")
    assert "in fail raise KeyError" in line


@pytest.mark.also_attached
def test_an_argument_that_cannot_be_pickled(first_line):
    line = first_line("    show(delayed(square)(2), delayed(square)(threading.Lock()))\n")
    assert line.startswith('PicklingError | the function or an argument of task "square" cannot be pickled')


def test_a_result_that_cannot_be_pickled(first_line):
    line = first_line("    show(delayed(threading.Lock)(), delayed(square)(2))\n")
    assert line.startswith("PicklingError | the result of a task (of type lock) cannot be pickled")


def test_an_exception_with_something_that_cannot_be_pickled(first_line):
    line = first_line("""
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__("odd")
            self.one, self.lock = one, threading.Lock()
    def fail():
        raise Odd(1, 2)
    show(delayed(fail)(), delayed(fail)())
    """)
    assert line.startswith("Odd | odd | Raised by a task on rank ")


@pytest.mark.also_attached
def test_exceptions_of_the_script_keep_type_and_attributes_without_another_call_of_their_constructor(first_line):
    assert first_line("""
    class TwoArguments(Exception):
        def __init__(self, code, detail):
            super().__init__(f"{code}: {detail}")
            self.code, self.detail = code, detail
    class KeywordOnly(OSError):
        __slots__ = ("path",)
        def __init__(self, *, path):
            super().__init__(2, "no such sample", path)
            self.path = path
    def fail(i):
        raise TwoArguments(7, "disk") if i else KeywordOnly(path="/x")
    first, second = Parallel(backend="mpi", on_error="return")(delayed(fail)(i) for i in range(2))
    print(type(first) is KeywordOnly, first.path, first.errno, first.filename, first, type(second) is TwoArguments,
          second.code, second.detail, second, second.args)
    for _ in range(2):
        print(Parallel(backend="mpi")(delayed(square)(i) for i in range(3)))
    """) == ("True /x 2 /x [Errno 2] no such sample: '/x' True 7 disk 7: disk ('7: disk',)")


@pytest.mark.also_attached
def test_a_module_that_only_rank_0_has(first_line):
    line = first_line("""
    import types
    only_here = types.ModuleType("only_here")
    exec("def f(): return 1", only_here.__dict__)
    sys.modules["only_here"] = only_here
    show(delayed(only_here.f)(), delayed(only_here.f)())
    """)
    assert line.startswith('WorkerImportError | a task needs the module "only_here", which the Python of rank ')
    assert 'ship=["only_here"]' in line
    assert "rank " in line


@pytest.mark.parametrize("isolation", ["process", "none"])
def test_a_task_that_calls_sys_exit_fails_with_what_it_has_said(first_line, isolation):
    line = first_line(
        """
    class Leave(SystemExit):
        pass
    def leave(code):
        with open("attempts", "a") as file:
            file.write("x")
        raise Leave(code)
    ends = [delayed(sys.exit)("no such sample"), delayed(sys.exit)(0), delayed(sys.exit)(), delayed(leave)(3)]
    errors = Parallel(backend="mpi", on_error="return")(ends)
    print(*[f"{type(error).__name__}({error.code!r})" for error in errors], open("attempts").read())
    for _ in range(2):
        print(Parallel(backend="mpi")(delayed(square)(i) for i in range(3)))
    """,
        options=("--isolation", isolation),
    )
    assert line == "SystemExit('no such sample') SystemExit(0) SystemExit(None) Leave(3) x"


@pytest.mark.parametrize(("code", "status"), [("'no such sample'", 1), ("3", 3), ("0", 1)])
def test_a_program_that_ends_by_the_sys_exit_of_a_task_shows_where(mpirun, code, status):
    ended = mpirun.script(
        3,
        f"""
    import sys
    from joblib import Parallel, delayed
    def leave(i):
        sys.exit({code})
    Parallel(backend="mpi")(delayed(leave)(i) for i in range(3))
    """,
    )
    assert ended.status == status, ended
    assert ended.stderr.count("Raised by a task on rank") == 1
    assert ", in leave\n" in ended.stderr
    assert f"SystemExit: {code.strip(chr(39))}" in ended.stderr


@pytest.mark.parametrize(("code", "isolation"), [("0", "none"), ("", "process")])
def test_a_program_that_has_called_init_does_not_end_well_by_the_sys_exit_of_a_task(mpirun, code, isolation):
    program = f"""
    import sys
    import joblib_mpi
    from joblib import Parallel, delayed
    joblib_mpi.init(isolation="{isolation}")
    def leave(i):
        sys.exit({code})
    Parallel(backend="mpi")(delayed(leave)(i) for i in range(3))
    """
    ended = mpirun(3, str(mpirun.write("script.py", program)))
    assert ended.status == 1, ended
    assert "a task has called sys.exit" in ended.stderr
    assert ended.stderr.count("Raised by a task on rank") == 1
    assert ", in leave\n" in ended.stderr


@pytest.mark.also_attached
def test_a_timeout_stops_the_tasks(first_line):
    assert "Timeout" in first_line("    show(*[delayed(time.sleep)(600)] * 4, timeout=0.5)\n")


@pytest.mark.also_attached
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


@pytest.mark.also_attached
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


@pytest.mark.also_attached
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
