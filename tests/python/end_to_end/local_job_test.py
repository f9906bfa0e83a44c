"""Tests of programs that are no ranks: they start workers for themselves and are their clients."""

import subprocess
import sys
import time

import pytest

from support.terminal import INTERRUPT, Terminal
from support.time_limits import END_SECONDS, TIMEOUT_SECONDS

pytestmark = pytest.mark.system

PRELUDE = """
    import os, signal, sys, time
    import joblib_mpi
    from joblib import Parallel, delayed, parallel_config
    def square(x):
        return x * x
    def where(_):
        return os.getpid(), os.getppid()
    def wait():
        open("started", "w").close()
        time.sleep(600)
"""


@pytest.fixture
def python(place):
    """Return `python(text)`, which starts a script without any launcher and returns its process."""

    def start(text, **settings):
        script = place.write("script.py", PRELUDE + text)
        return subprocess.Popen(
            [sys.executable, str(script)],
            cwd=place.folder,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **settings},
        )

    return start


@pytest.fixture
def run(python):
    """Return `run(text)`, which returns the lines that a script prints; it must succeed."""

    def run(text):
        process = python(text)
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECONDS)
        assert process.returncode == 0, stdout + stderr
        return stdout.splitlines()

    return run


def wait_for_line(process):
    """Return the next line that a process prints."""
    line = process.stdout.readline().strip()
    assert line, process.communicate()
    return line


def wait_for(file):
    """Wait until a task has made a file."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert file.exists()


@pytest.mark.smoke
def test_a_plain_program_gets_workers_once_and_loads_no_mpi(run):
    assert run(
        """
    with parallel_config(backend="mpi", n_workers=2):
        print(Parallel()(delayed(square)(i) for i in range(5)))
        first = set(Parallel(batch_size=1)(delayed(where)(i) for i in range(20)))
    with parallel_config(backend="mpi"):
        print(first == set(Parallel(batch_size=1)(delayed(where)(i) for i in range(20))) or len(first))
    print("libmpi" in open("/proc/self/maps").read())
    """
    ) == ["[0, 1, 4, 9, 16]", "True", "False"]


def test_the_ranks_of_a_short_program_end_by_themselves(run):
    assert run(
        """
    print(Parallel(backend="mpi", n_workers=2)([delayed(square)(3)]))
    job = joblib_mpi.session.current().local_job
    joblib_mpi.shutdown()
    print(job.end())
    """
    ) == ["[9]", "0"]


def test_results_errors_scatter_and_generators_are_those_of_rank_0(run):
    assert run(
        """
    import numpy as np
    X = np.arange(100_000.0)
    def total(x, i):
        return float(x.sum()) + i
    def fail(i):
        if i == 2:
            raise ValueError(f"no {i}")
    with joblib_mpi.cluster(2):
        with parallel_config(backend="mpi", scatter=[X]):
            print(Parallel()(delayed(total)(X, i) for i in range(3)) == [X.sum() + i for i in range(3)])
        handle = joblib_mpi.scatter(X)
        print(Parallel(backend="mpi")(delayed(total)(handle, i) for i in range(3)) == [X.sum() + i for i in range(3)])
        try:
            Parallel(backend="mpi")(delayed(fail)(i) for i in range(3))
        except ValueError as error:
            print(error)
        print(sum(Parallel(backend="mpi", return_as="generator")(delayed(square)(i) for i in range(1000))))
        large = Parallel(backend="mpi")(delayed(np.ones)(1_000_000) for _ in range(4))
        print([float(array.sum()) for array in large])
        print(joblib_mpi.stats()["scattered_objects"])
    """
    ) == ["True", "True", "no 2", "332833500", "[1000000.0, 1000000.0, 1000000.0, 1000000.0]", "1"]


def test_another_number_of_workers_starts_others_unless_a_call_runs(run):
    assert run(
        """
    def workers(n):
        with parallel_config(backend="mpi", n_workers=n):
            return len({pid for _, pid in Parallel(batch_size=1)(delayed(where)(i) for i in range(40))}) <= n
    print(workers(1))
    generator = Parallel(backend="mpi", return_as="generator")(delayed(square)(i) for i in range(3))
    try:
        workers(2)
    except joblib_mpi.SessionError as error:
        print("let them end" in str(error))
    print(list(generator))
    print(workers(2))
    for wrong in (0, -1, 1.5, True, "2"):
        try:
            workers(wrong)
        except (TypeError, ValueError) as error:
            print(type(error).__name__, "allowed" in str(error))
    joblib_mpi.shutdown()
    joblib_mpi.shutdown()
    """
    ) == [
        "True",
        "True",
        "[0, 1, 4]",
        "True",
        *["ValueError True"] * 2,
        *["TypeError True"] * 3,
    ]


def test_a_handle_of_an_earlier_job_is_an_error_and_never_another_object(run):
    assert run(
        """
    with joblib_mpi.cluster(1):
        old = joblib_mpi.scatter([1, 2, 3])
    with joblib_mpi.cluster(1):
        new = joblib_mpi.scatter([4, 5, 6])
        print(Parallel(backend="mpi")(delayed(sum)(x) for x in [new, new]))
        try:
            print(Parallel(backend="mpi")(delayed(sum)(x) for x in [old, old]))
        except joblib_mpi.SessionError as error:
            print("share it again" in str(error))
        print(Parallel(backend="mpi")(delayed(sum)(x) for x in [new, new]))
    """
    ) == ["[15, 15]", "True", "[15, 15]"]


def test_a_program_survives_the_loss_of_all_ranks_and_gets_new_ones(run):
    assert run(
        """
    import threading
    def content(pid, name):
        try:
            return open(f"/proc/{pid}/{name}", "rb").read()
        except OSError:
            return b""
    def is_rank_0(pid):
        environment = content(pid, "environ")
        return (b"serving.private\\0" in content(pid, "cmdline") and b"OMPI_COMM_WORLD_RANK=0\\0" in environment
                and os.environb[b"MARK"] in environment)
    def kill_rank_0_during_the_call():
        while not os.path.exists("started"):
            time.sleep(0.01)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if is_rank_0(pid):
                os.kill(int(pid), signal.SIGKILL)
    os.environ["MARK"] = f"mark of {os.getpid()}"
    data = list(range(100))
    def total(values, i):
        return sum(values) + i
    with parallel_config(backend="mpi", n_workers=2, scatter=[data]):
        print(Parallel()(delayed(total)(data, i) for i in range(3)))
        threading.Thread(target=kill_rank_0_during_the_call).start()
        try:
            Parallel()(delayed(wait)() for i in range(3))
        except joblib_mpi.SessionError as error:
            print("lost")
        print(Parallel()(delayed(total)(data, i) for i in range(3)))
    """
    ) == ["[4950, 4951, 4952]", "lost", "[4950, 4951, 4952]"]


def test_a_lost_worker_is_an_error_of_its_call_or_its_task_runs_again(run):
    assert run(
        """
    def once(path):
        if not os.path.exists(path):
            open(path, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return "again"
    with parallel_config(backend="mpi", n_workers=2):
        print(Parallel()([delayed(once)("killed")]))
    """
    ) == ["['again']"]


def test_a_forked_child_uses_other_backends_and_is_told_why_not_this_one(run):
    assert run(
        """
    import multiprocessing
    def in_child(n):
        try:
            Parallel(backend="mpi")(delayed(square)(i) for i in range(n))
        except joblib_mpi.SessionError as error:
            return "was forked" in str(error), Parallel(2, backend="threading")(delayed(square)(i) for i in range(n))
    with parallel_config(backend="mpi", n_workers=1):
        print(Parallel()(delayed(square)(i) for i in range(3)))
        with multiprocessing.get_context("fork").Pool(1) as pool:
            print(pool.apply(in_child, (3,)), flush=True)
        pid = os.fork()
        if pid == 0:
            sys.exit(0)
        print(os.waitpid(pid, 0)[1])
        print(Parallel()(delayed(square)(i) for i in range(3)))
    print(Parallel(2, backend="loky")(delayed(square)(i) for i in range(3)))
    """
    ) == ["[0, 1, 4]", "(True, [0, 1, 4])", "0", "[0, 1, 4]", "[0, 1, 4]"]


def test_a_program_that_a_task_has_started_starts_no_ranks(run):
    assert run(
        """
    import subprocess
    PROGRAM = "import joblib_mpi; from joblib import Parallel, delayed; Parallel(backend='mpi')([delayed(abs)(1)])"
    def start():
        ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
        return ended.returncode, "no MPI session" in ended.stderr
    with parallel_config(backend="mpi", n_workers=1):
        print(Parallel()([delayed(start)()]))
    """
    ) == ["[(1, True)]"]


@pytest.mark.parametrize("while_it_works", [False, True])
def test_nothing_is_left_of_a_program_that_is_killed(python, place, mpirun, while_it_works):
    process = python(
        f"""
    with parallel_config(backend="mpi", n_workers=2):
        print(Parallel()(delayed(square)(i) for i in range(3)), flush=True)
        if {while_it_works}:
            Parallel()(delayed(wait)() for i in range(3))
        time.sleep(600)
    """
    )
    assert wait_for_line(process) == "[0, 1, 4]"
    if while_it_works:
        wait_for(place.folder / "started")
    process.kill()
    # What reads the output is not kept waiting by ranks that have inherited it.
    process.communicate(timeout=END_SECONDS)
    deadline = time.monotonic() + END_SECONDS
    while mpirun.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not mpirun.processes()


def test_ctrl_c_ends_the_call_and_the_next_one_works(place):
    script = place.write(
        "script.py",
        PRELUDE
        + """
    with parallel_config(backend="mpi", n_workers=2):
        print(Parallel()(delayed(where)(i) for i in range(3)) != [], "ready", flush=True)
        try:
            Parallel()(delayed(wait)() for i in range(4))
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        print(Parallel()(delayed(square)(i) for i in range(3)), "after", flush=True)
    """,
    )
    terminal = Terminal([sys.executable, str(script)], cwd=place.folder, env=place.environment)
    terminal.expect("ready")
    wait_for(place.folder / "started")
    terminal.type(INTERRUPT)
    terminal.expect("interrupted")
    terminal.expect(r"\[0, 1, 4\] after")
    assert terminal.finish() == 0


def test_ctrl_c_in_ipython_ends_the_call_and_the_next_one_uses_the_same_workers(place):
    pytest.importorskip("IPython")
    place.environment["IPYTHONDIR"] = str(place.folder / "ipython")
    place.write("calls.py", PRELUDE)
    code = "from calls import *; call = Parallel(backend='mpi', n_workers=1, batch_size=1)"
    ipython = ["-m", "IPython", "--no-banner", "--colors=NoColor", "-i", "-c", code]
    shown = Terminal([sys.executable, *ipython], cwd=place.folder, env=place.environment)
    shown.expect(r"In \[")
    shown.type("first = call(delayed(where)(i) for i in range(2))\r")
    shown.expect(r"In \[")
    shown.type("call(delayed(wait)() for i in range(4))\r")
    wait_for(place.folder / "started")
    shown.type(INTERRUPT)
    shown.expect("KeyboardInterrupt")
    shown.expect(r"In \[")
    shown.type("print('same', call(delayed(where)(i) for i in range(2))[0][1] == first[0][1])\r")
    shown.expect("same True")
    shown.expect(r"In \[")
    shown.type("exit()\r")
    assert shown.finish() == 0, shown.shown


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["one_process", "xdist"])
def test_tests_that_use_the_backend_end_and_leave_nothing(place, options):
    if options:
        pytest.importorskip("xdist")
    place.write(
        "squares_test.py",
        """
        import joblib_mpi
        import pytest
        from joblib import Parallel, delayed
        def square(x):
            return x * x
        @pytest.mark.parametrize("n", [3, 4])
        def test_squares(n):
            calls = Parallel(backend="mpi", n_workers=1)
            assert calls(delayed(square)(i) for i in range(n)) == [i * i for i in range(n)]
        """,
    )
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp=temporary")
    ended = place(*options, "squares_test.py", command=command)
    assert ended.returncode == 0, ended
    assert "2 passed" in ended.stdout


def test_ctrl_c_while_the_ranks_start_leaves_none(place, mpirun):
    script = place.write(
        "script.py",
        PRELUDE
        + """
    try:
        Parallel(backend="mpi", n_workers=2)(delayed(square)(i) for i in range(3))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """,
    )
    terminal = Terminal([sys.executable, str(script)], cwd=place.folder, env=place.environment)
    terminal.expect("starting 2 workers")
    terminal.type(INTERRUPT)
    terminal.expect("interrupted")
    assert terminal.finish() == 0
    deadline = time.monotonic() + END_SECONDS
    while mpirun.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not mpirun.processes()


def test_the_reason_is_shown_if_no_ranks_can_be_started(place):
    environment = {"PATH": "/nowhere", "HOME": str(place.folder)}
    script = place.write("script.py", PRELUDE + "    Parallel(backend='mpi')([delayed(square)(1)])\n")
    ended = place(str(script), command=(sys.executable,), environment=environment)
    assert ended.returncode == 1
    assert "the ranks could not be started" in ended.stderr
    assert "mpirun" in ended.stderr


def test_a_rank_without_a_session_starts_no_ranks(mpirun):
    ended = mpirun(
        2,
        "-c",
        "import joblib_mpi; from joblib import Parallel, delayed; Parallel(backend='mpi')([delayed(abs)(1)] * 2)",
    )
    assert ended.status != 0
    assert "this process has no MPI session" in ended.stderr
    assert "starting" not in ended.stderr
