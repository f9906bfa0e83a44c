"""Tests of the function that executors call before their first task."""

import joblib
import pytest

JOBLIB = tuple(int(part) for part in joblib.__version__.split(".")[:2])

SCRIPT = """
    import os, sys
    from joblib import Parallel, delayed, parallel_config
    def prepare(name, value="0"):
        os.environ[name] = value
        with open("prepared", "a") as file:
            file.write(f"{name} {os.getpid()}\\n")
    def look(i):
        return os.environ.get("FIRST"), os.environ.get("SECOND"), os.getpid()
    def call():
        return Parallel(batch_size=1)(delayed(look)(i) for i in range(20))
    for _ in range(2):
        with parallel_config(backend="mpi", initializer=prepare, initargs=("FIRST", "1")):
            seen = call() + call()
            print({one[:2] for one in seen})
    with parallel_config(backend="mpi"):
        call()
    prepared = open("prepared").read().splitlines()
    print(len(prepared) == len(set(prepared)), {f"FIRST {one[2]}" for one in seen} <= set(prepared))
    with parallel_config(backend="mpi", initializer=prepare, initargs=("SECOND",)):
        print({one[:2] for one in call()})
    """


@pytest.mark.also_attached
def test_each_executor_calls_an_initializer_once(mpirun):
    ended = mpirun.script(3, SCRIPT)
    assert ended.status == 0, ended
    assert ended.stdout.splitlines() == ["{('1', None)}", "{('1', None)}", "True True", "{('1', '0')}"]


@pytest.mark.also_attached
@pytest.mark.skipif(JOBLIB < (1, 5), reason="joblib 1.5 passes options of Parallel on")
def test_an_initializer_that_fails_is_an_error_of_the_call(mpirun):
    ended = mpirun.script(
        3,
        """
    from joblib import Parallel, delayed
    def fail(text):
        raise OSError(text)
    try:
        Parallel(backend="mpi", initializer=fail, initargs=("no licence",))(delayed(abs)(i) for i in range(5))
    except OSError as error:
        print(error)
    print(Parallel(backend="mpi")(delayed(abs)(-i) for i in range(3)))
    try:
        Parallel(backend="mpi", initializer=(i for i in ()).__next__)(delayed(abs)(i) for i in range(5))
    except Exception as error:
        print(error)
    """,
    )
    assert ended.status == 0, ended
    first, second, third = ended.stdout.splitlines()
    assert (first, second) == ("no licence", "[0, 1, 2]")
    assert third.startswith("initializer or initargs cannot be pickled")
