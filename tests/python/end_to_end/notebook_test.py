"""Tests of a notebook: its kernel starts workers for itself, is interrupted, loses them, and is restarted."""

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("ipykernel")
pytest.importorskip("nbclient")

from support.notebook import Notebook, do_when

PRELUDE = """
import os, time
import joblib_mpi
from joblib import Parallel, delayed, parallel_config
def square(x):
    return x * x
def workers():
    with parallel_config(backend="mpi"):
        return sorted(set(Parallel(batch_size=1)(delayed(place)(i) for i in range(20))))
def place(_):
    return os.getpid(), os.getppid()
def wait(seconds=600):
    with open(f"started-{os.getpid()}", "w"):
        pass
    time.sleep(seconds)
    return "waited"
"""

SEARCH = """
import numpy as np
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV
from sklearn.svm import SVC
import joblib_mpi

X, y = load_digits(return_X_y=True)
X, y = X[:300], y[:300]
def search():
    grid = {"C": np.logspace(-3, 3, 7), "gamma": np.logspace(-5, 1, 7)}
    return RandomizedSearchCV(SVC(), grid, n_iter=8, cv=3, random_state=0).fit(X, y)
"""


@pytest.fixture
def open_notebook(place):
    """Return `open_notebook(**options)`, which returns a `Notebook`; afterwards its kernel is shut down."""
    opened = []
    # ipykernel leaves the streams of a kernel that a test has started as they are.
    environment = {name: value for name, value in place.environment.items() if name != "PYTEST_CURRENT_TEST"}
    environment["IPYTHONDIR"] = str(place.folder / "ipython")

    def open_one(**options):
        opened.append(Notebook(place.folder, {**environment, **options.pop("environment", {})}, **options))
        return opened[-1]

    yield open_one
    assert [notebook.shut_down() for notebook in opened] == [0] * len(opened)


@pytest.fixture
def notebook(open_notebook):
    """Return a notebook whose kernel has two workers and knows the functions of the prelude."""
    notebook = open_notebook()
    start(notebook)
    return notebook


def start(notebook):
    """Run the first cell of a kernel."""
    cell = notebook.run(PRELUDE + "with parallel_config(backend='mpi', n_workers=2):\n    first = workers()")
    assert cell.error == "", cell
    assert "started 2 workers" in cell.stderr, cell


def begun(place):
    """Return the processes that run the task `wait`."""
    return [int(path.name.partition("-")[2]) for path in place.folder.glob("started-*")]


def ranks(mpirun):
    """Return the processes of the ranks by their numbers, and that of the launcher as None."""
    found = {}
    for process, command in mpirun.processes().items():
        with suppress(OSError, IndexError):
            folder = Path("/proc", str(process))
            parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[1]
            if (folder / "comm").read_text() == Path("/proc", parent, "comm").read_text():
                continue  # a process beside a rank or the launcher
            if "/joblib-mpi run " in command:
                found[None] = process
            elif " -m joblib_mpi --unsafe-path -m joblib_mpi.serving.private " in command:
                number = (folder / "environ").read_bytes().split(b"OMPI_COMM_WORLD_RANK=")[1].split(b"\0")[0]
                found[int(number)] = process
    return found


@pytest.mark.smoke
@pytest.mark.system
def test_a_search_in_a_cell_starts_workers_and_finds_the_same(open_notebook):
    notebook = open_notebook()
    assert notebook.run(SEARCH).error == ""
    cell = notebook.run(
        'with parallel_config(backend="mpi", n_workers=2):\n    found = search()\nprint(found.n_splits_)'
    )
    assert cell.stdout == "3\n", cell
    assert cell.stderr.startswith("joblib-mpi: starting 2 workers for this program\n"), cell
    assert "joblib-mpi: started 2 workers in " in cell.stderr
    cell = notebook.run(
        "alone = search()\nprint(found.best_params_ == alone.best_params_, found.best_score_ == alone.best_score_)"
    )
    assert cell.stdout == "True True\n", cell
    assert cell.stderr == ""


def test_what_tasks_print_is_shown_in_the_cell(notebook):
    cell = notebook.run(
        """
import sys
def say(i):
    print(f"task {i}")  # whose end is a second write in an unbuffered process, so that lines of two may be torn apart
    print(f"error {i}", file=sys.stderr)
Parallel(backend="mpi")(delayed(say)(i) for i in range(2))
while not os.path.exists("shown"):
    time.sleep(0.01)
""",
        notebook.until_it_shows("task 0", "task 1", "error 0", "error 1", then="shown"),
    )
    for text, shown in {"task": cell.stdout, "error": cell.stderr}.items():
        assert sorted(re.findall(r"\w+ \d", shown)) == [f"{text} 0", f"{text} 1"]
        assert re.sub(r"\w+ \d", "", shown) == "\n\n"


def test_an_interrupted_cell_ends_and_the_next_one_uses_the_same_workers(notebook, place):
    for _ in range(2):
        cell = notebook.run(
            "Parallel(backend='mpi')(delayed(wait)() for i in range(4))", notebook.interrupt_when(lambda: begun(place))
        )
        assert cell.error == "KeyboardInterrupt", cell
        assert cell.stdout + cell.stderr == ""
        assert "threading.py" not in cell.traceback
        cell = notebook.run("print(Parallel(backend='mpi')(delayed(square)(i) for i in range(3)))")
        assert cell.stdout == "[0, 1, 4]\n", cell
        for process in begun(place):
            (place.folder / f"started-{process}").unlink()
    # An executor that did not heed the interrupt in time is another process now.
    cell = notebook.run("print({rank for _, rank in first} == {rank for _, rank in workers()})")
    assert cell.stdout == "True\n", cell


def test_a_cell_is_interrupted_while_ranks_start_and_the_next_one_works(open_notebook, mpirun):
    notebook = open_notebook()
    notebook.run(PRELUDE)
    cell = notebook.run(
        "Parallel(backend='mpi', n_workers=2)(delayed(wait)() for i in range(4))",
        notebook.interrupt_when(lambda: None in ranks(mpirun)),
    )
    assert cell.error == "KeyboardInterrupt", cell
    cell = notebook.run("print(Parallel(backend='mpi', n_workers=2)(delayed(square)(i) for i in range(3)))")
    assert cell.stdout == "[0, 1, 4]\n", cell


def test_a_task_whose_executor_is_killed_runs_again(notebook, place):
    cell = notebook.run(
        """
def wait_once():
    if not os.path.exists("once"):
        open("once", "w").close()
        wait()
    return "again"
print(Parallel(backend="mpi")([delayed(wait_once)()]))
""",
        do_when(lambda: begun(place), lambda: os.kill(begun(place)[0], signal.SIGKILL)),
    )
    assert cell.stdout == "['again']\n", cell


@pytest.mark.parametrize("lost", [2, 0, None], ids=["worker", "rank_0", "launcher"])
def test_a_lost_job_is_an_error_of_its_cell_and_the_next_one_starts_another(notebook, place, mpirun, lost):
    cell = notebook.run(
        "Parallel(backend='mpi')(delayed(wait)() for i in range(4))",
        do_when(lambda: begun(place), lambda: os.kill(ranks(mpirun)[lost], signal.SIGKILL)),
    )
    assert cell.error == "SessionError", cell
    assert "the workers that this program has started are gone" in cell.traceback
    assert cell.traceback.endswith("The next call starts new ones")
    cell = notebook.run("print(Parallel(backend='mpi')(delayed(square)(i) for i in range(3)))")
    assert cell.stdout == "[0, 1, 4]\n", cell
    assert "started 2 workers" in cell.stderr


@pytest.mark.parametrize("now", [False, True], ids=["asked", "killed"])
@pytest.mark.parametrize("while_it_works", [False, True], ids=["idle", "busy"])
def test_a_restarted_kernel_leaves_nothing_and_works(notebook, place, mpirun, now, while_it_works):
    if while_it_works:
        notebook.begin("Parallel(backend='mpi')(delayed(wait)() for i in range(4))")
        notebook.wait_until(lambda: begun(place))
    old = set(mpirun.processes())
    assert set(ranks(mpirun)) == {None, 0, 1, 2}
    notebook.restart(now=now)
    notebook.wait_until(lambda: old.isdisjoint(mpirun.processes()))
    notebook.wait_until(lambda: not sockets(place))
    assert mpirun.left_in_shared_memory() == set()
    start(notebook)
    assert len(sockets(place)) == 1


@pytest.fixture
def open_kernel(open_notebook, place):
    """Return `open_kernel()`, which returns a notebook whose kernel ``joblib-mpi kernel install`` has installed."""

    def open_one():
        installed = place("kernel", "install", "-n", "2", "--name", "two", "--prefix", "prefix")
        assert installed.returncode == 0, installed.stderr
        assert "Python 3 (MPI, 2 workers)" in installed.stdout
        folders = [str(place.folder / "prefix/share/jupyter/kernels")]
        # As if Jupyter had been started without "module load".
        return open_notebook(kernel="two", kernel_folders=folders, environment={"PATH": "/nowhere"})

    return open_one


def wait_for_workers(notebook):
    """Wait until the ranks that start with the kernel are there, and return the number of workers."""
    cell = notebook.run(
        PRELUDE
        + """
while joblib_mpi.session.current() is None:
    time.sleep(0.01)
print(joblib_mpi.session.current().core.n_workers)
"""
    )
    assert cell.error == "", cell
    return cell.stdout.strip()


def test_the_ranks_of_an_installed_kernel_start_and_end_with_it(open_kernel, mpirun, place):
    notebook = open_kernel()
    notebook.wait_until(lambda: set(ranks(mpirun)) == {None, 0, 1, 2})  # without any cell
    assert wait_for_workers(notebook) == "2"
    cell = notebook.run("print(Parallel(backend='mpi')(delayed(square)(i) for i in range(3)))")
    assert cell.stdout == "[0, 1, 4]\n", cell
    assert cell.stderr == ""
    cell = notebook.run(
        "Parallel(backend='mpi')(delayed(wait)() for i in range(4))", notebook.interrupt_when(lambda: begun(place))
    )
    assert cell.error == "KeyboardInterrupt", cell
    old = set(mpirun.processes())
    notebook.restart(now=False)
    notebook.wait_until(lambda: old.isdisjoint(mpirun.processes()))
    assert wait_for_workers(notebook) == "2"
    joined = notebook.run("joblib_mpi.shutdown()\nprint(len({rank for _, rank in workers()}) <= 2)")
    assert joined.stdout == "True\n", joined
    assert "starting 2 workers" in joined.stderr


def test_a_kernel_that_cannot_start_ranks_says_so_at_the_first_call(open_kernel, place):
    (place.folder / "bin").mkdir()
    mpirun = place.write("bin/mpirun", "#!/bin/sh\necho no MPI today >&2\nexit 1\n", executable=True)
    place.environment["PATH"] = f"{mpirun.parent}:{place.environment['PATH']}"
    notebook = open_kernel()
    cell = notebook.run(PRELUDE + "Parallel(backend='mpi')([delayed(square)(2)])")
    assert cell.error == "SessionError", cell
    assert "the ranks could not be started" in cell.traceback
    assert "no MPI today" in cell.stderr + cell.stdout
    assert "local_job.py" not in cell.traceback  # no pages of this package above the sentence


def sockets(place):
    """Return the folders of sockets that are there."""
    return list(Path(place.environment["TMPDIR"]).glob("joblib-mpi-serve-*"))
