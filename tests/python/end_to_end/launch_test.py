"""Tests of how programs start and end under mpirun: exit status, messages, and nothing left behind."""

import os
import signal
import subprocess
import time

import pytest

from support.mpirun import mpi_tells_of_dead_ranks

pytestmark = pytest.mark.system

PARALLEL = """
    import os, sys, time
    from joblib import Parallel, delayed
    def where(i):
        return i, os.getpid()
"""
SOME_TASKS = "    Parallel(backend='mpi')(delayed(where)(i) for i in range(9))\n"


@pytest.mark.parametrize("ranks", [1, 2, pytest.param(4, marks=pytest.mark.smoke), 6])
def test_a_script_that_imports_nothing_of_ours_runs_on_the_workers(mpirun, ranks):
    ended = mpirun.script(
        ranks,
        PARALLEL
        + """
    results = Parallel(backend="mpi", batch_size=1)(delayed(where)(i) for i in range(60))
    assert [i for i, _ in results] == list(range(60))
    elsewhere = {pid for _, pid in results} - {os.getpid()}
    print("workers used", min(len(elsewhere), 1), sys.argv[1:], __name__)
    """,
        "a",
        "-b",
    )
    assert ended.status == 0, ended
    assert ended.stdout == f"workers used {int(ranks > 1)} ['a', '-b'] __main__\n"
    assert ended.stderr.count("one rank") == (ranks == 1), ended


def test_init_lets_only_rank_0_go_on(mpirun):
    script = mpirun.write(
        "script.py",
        PARALLEL
        + """
    import joblib_mpi
    joblib_mpi.init()
    joblib_mpi.init()
    print("rank 0 is alone")
    print(len({pid for _, pid in Parallel(backend="mpi", batch_size=1)(delayed(where)(i) for i in range(50))}) > 0)
    """,
    )
    ended = mpirun(3, str(script))
    assert (ended.status, ended.stdout) == (0, "rank 0 is alone\nTrue\n"), ended


def test_after_init_an_uncaught_exception_ends_the_job_with_1(mpirun):
    ended = mpirun(3, str(mpirun.write("script.py", "import joblib_mpi\njoblib_mpi.init()\n1 / 0\n")))
    assert ended.status == 1, ended
    assert ended.stderr.count("ZeroDivisionError") == 1


@pytest.mark.parametrize(
    ("end", "status", "text"),
    [
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('the reason')", 1, "the reason"),
        ("sys.exit()", 0, ""),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
    ],
)
@pytest.mark.parametrize("ranks", [1, 4])
def test_the_status_of_the_script_is_the_status_of_the_job(mpirun, ranks, end, status, text):
    ended = mpirun.script(ranks, f"{PARALLEL}{SOME_TASKS}    {end}\n")
    assert ended.status == status, ended
    assert text in ended.stderr
    assert ended.stderr.count("Traceback") == ("raise" in end or "/" in end)


def test_a_module_a_command_and_stdin_run_too(mpirun):
    mpirun.write("program.py", "import sys\nprint('module', sys.argv[1:], __name__)\n")
    assert mpirun(2, "-m", "joblib_mpi", "-m", "program", "a").stdout == "module ['a'] __main__\n"
    assert mpirun(2, "-m", "joblib_mpi", "-c", "import sys; print(sys.argv)", "a").stdout == "['-c', 'a']\n"
    assert mpirun(2, "-m", "joblib_mpi", "-", "a", stdin="import sys\nprint(sys.argv)\n").stdout == "['-', 'a']\n"


def test_modules_of_the_working_directory_are_not_taken_for_those_of_joblib_mpi(mpirun):
    for name in ("cloudpickle", "joblib", "numpy"):
        mpirun.write(f"{name}.py", f"raise SystemExit('this is {name} of the working directory')\n")
    (mpirun.folder / "elsewhere").mkdir()
    mpirun.write("elsewhere/beside.py", "VALUE = 5\n")
    script = mpirun.write("elsewhere/script.py", "import sys, beside\nprint(beside.VALUE, sys.path[0])\n")
    ended = mpirun(2, "-m", "joblib_mpi", str(script))
    assert (ended.status, ended.stdout) == (0, f"5 {script.parent}\n"), ended


def test_help_and_version_are_said_once(mpirun):
    assert mpirun(3, "-m", "joblib_mpi", "--help").stdout.count("usage:") == 1
    assert mpirun(3, "-m", "joblib_mpi", "--version").stdout.count("joblib-mpi") == 1
    without = mpirun(3, "-m", "joblib_mpi")
    assert (without.status, without.stderr.count("usage:")) == (2, 1)


def test_a_missing_script_is_reported_once(mpirun):
    ended = mpirun(4, "-m", "joblib_mpi", "missing.py")
    assert ended.status == 2, ended
    assert ended.stderr.count("can't open file") == 1


@pytest.mark.parametrize(
    "busy", ["time.sleep(600)", "Parallel(backend='mpi')(delayed(time.sleep)(600) for _ in range(9))"]
)
def test_interrupting_rank_0_ends_the_job(mpirun, busy):
    script = mpirun.write("script.py", PARALLEL + f"    print(os.getpid(), flush=True)\n    {busy}\n")
    process = mpirun.start(4, "-m", "joblib_mpi", str(script))
    pid = int(process.stdout.readline())
    time.sleep(1)  # so that the signal hits the wait; earlier would be right, too, but test less
    os.kill(pid, signal.SIGINT)
    ended = mpirun.finish(process)
    assert ended.status == 130, ended
    assert "KeyboardInterrupt" in ended.stderr


def test_rank_0_leaving_without_a_word_ends_the_job(mpirun):
    ended = mpirun.script(3, f"{PARALLEL}{SOME_TASKS}    os._exit(7)\n")
    assert ended.status != 0, ended


def test_rank_0_leaving_while_tasks_run_ends_the_job(mpirun):
    ended = mpirun.script(
        3,
        PARALLEL
        + """
    import threading
    threading.Timer(1, os._exit, [7]).start()
    Parallel(backend="mpi")(delayed(time.sleep)(600) for _ in range(9))
    """,
    )
    assert ended.status != 0, ended


def test_atexit_handlers_and_threads_of_the_script_still_have_workers(mpirun):
    ended = mpirun.script(
        3,
        PARALLEL
        + """
    import atexit, threading
    def work(name):
        print(name, [i for i, _ in Parallel(backend="mpi")(delayed(where)(i) for i in range(3))])
    work("script")
    atexit.register(work, "atexit")
    threading.Timer(0.5, work, ["thread"]).start()
    """,
    )
    assert ended.status == 0, ended
    assert ended.stdout == "script [0, 1, 2]\nthread [0, 1, 2]\natexit [0, 1, 2]\n"


def test_programs_started_by_a_task_do_not_see_the_launcher(mpirun):
    ended = mpirun.script(
        2,
        PARALLEL
        + """
    def seen():
        return [name for name in os.environ if name.startswith(("OMPI_COMM", "PMIX_", "PMI_"))]
    print(Parallel(backend="mpi")(delayed(seen)() for _ in range(1)), seen())
    """,
    )
    assert (ended.status, ended.stdout) == (0, "[[]] []\n"), ended


def test_one_rank_runs_a_command(mpirun):
    command = "from joblib import *; print(Parallel(backend='mpi')([delayed(abs)(-1)]))"
    ended = mpirun(1, "-m", "joblib_mpi", "-c", command)
    assert (ended.status, ended.stdout) == (0, "[1]\n"), ended


@pytest.mark.parametrize("survives", [False, True])
def test_mpi_is_finalised_unless_the_launcher_does_without(mpirun, survives):
    # mpirun of Open MPI 4 tells ranks so in variables that programs do not get to see; its MPI_Finalize may hang then.
    library = mpirun.folder / "tells_of_finalisation.so"
    source = mpirun.copy("tells_of_finalisation.cpp")
    subprocess.run(["c++", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    ended = mpirun.script(2, PARALLEL + SOME_TASKS, survives=survives, environment={"LD_PRELOAD": str(library)})
    assert ended.status == 0, ended
    finalises = not survives or mpi_tells_of_dead_ranks()
    assert ended.stdout == 2 * finalises * "finalised\n", ended
