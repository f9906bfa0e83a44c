"""Fixtures: `job`, a session on worker threads of this process, and `mpirun`, which starts real MPI jobs."""

import errno
import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = HERE / "end_to_end" / "programs"
sys.path[:0] = [str(HERE), str(HERE.parent)]

from one_at_a_time import wait_for_turn  # noqa: E402

from support import core_double  # noqa: E402
from support.mpirun import Mpirun  # noqa: E402
from support.place import Place, environment_without_batch_system  # noqa: E402
from support.shared_job import SharedJob  # noqa: E402
from support.time_limits import END_SECONDS  # noqa: E402

try:
    import joblib_mpi
except ImportError:
    sys.path.insert(0, str(ROOT / "python"))
    core_double.install_if_not_built()
    import joblib_mpi

from joblib_mpi import session as sessions  # noqa: E402
from joblib_mpi.executor.task_runner import TaskRunner  # noqa: E402
from joblib_mpi.worker_identity import TASK_VARIABLE  # noqa: E402

os.umask(0o022)  # files of tests are the user's own, also where others of the group may usually write


#: Files of few and long tests. They come first, so that no core waits for the last of them.
LONG_TESTS = ("soak", "random_faults", "hostile_surroundings", "documents", "large_messages", "other_user", "pause")


def pytest_collection_modifyitems(items):
    """Mark the tests that start no rank, put them last, and leave out clients of jobs without workers."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.unit)
    items[:] = [item for item in items if not _is_client_of_one_rank(item)]
    items.sort(key=lambda item: (item.path.parent == HERE, item.path.stem.removesuffix("_test") not in LONG_TESTS))


def pytest_generate_tests(metafunc):
    """Choose the tests whose scripts run twice: on rank 0, and as the client of a job.

    These are the tests with the mark ``also_attached``. JOBLIB_MPI_TEST_ATTACHED=all adds those with the fixture
    `shared_script`, and JOBLIB_MPI_TEST_ATTACHED=none lets all tests run once.
    """
    is_shared = "shared_script" in metafunc.fixturenames
    is_marked = metafunc.definition.get_closest_marker("also_attached") is not None
    if not is_shared and not is_marked:
        return
    twice = {"none": False, "marked": is_marked, "all": True}[os.environ.get("JOBLIB_MPI_TEST_ATTACHED", "marked")]
    ways = ["rank_0", "attached"] if twice else ["rank_0"]
    metafunc.parametrize("shared_script" if is_shared else "mpirun", ways, indirect=True)


def _is_client_of_one_rank(item):
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return "attached" in (parameters.get("mpirun"), parameters.get("shared_script")) and parameters.get("ranks") == 1


@pytest.fixture(autouse=True)
def no_ranks(request, monkeypatch):
    """Let no unit test start ranks where it has forgotten to make a job."""
    if request.node.get_closest_marker("unit") is not None:
        monkeypatch.setenv(TASK_VARIABLE, "1")


@pytest.fixture
def make_job(monkeypatch):
    """Return `make_job(n_workers)`, which starts a session and returns its `Job`."""
    jobs = []

    def make(n_workers, make_worker=TaskRunner):
        job = core_double.Job(n_workers, make_worker)
        session = sessions.Session(job.rank0)
        monkeypatch.setattr(sessions, "_session", session)
        jobs.append((job, session))
        return job

    yield make
    for job, session in jobs:
        session.close()
        job.stop()


@pytest.fixture
def job(make_job):
    """Return the `Job` of a session with two workers."""
    return make_job(2)


@pytest.fixture
def make_tls_job(tmp_path, monkeypatch):
    """Return a function that makes a `TlsJob`, of a user who has no other access files."""
    from support.tls_job import TlsJob

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    jobs = []

    def make(**settings):
        jobs.append(TlsJob(**settings))
        return jobs[-1]

    yield make
    for job in jobs:
        job.end()


def skip_if_not_built():
    """Skip a test that needs the compiled part."""
    if getattr(joblib_mpi._core, "is_double", False):
        pytest.skip("joblib_mpi._core is not built")


@pytest.fixture(scope="module")
def shared_script(request, tmp_path_factory):
    """Return `shared_script(ranks, text)`, which runs a script in a job that the module's tests share.

    There is one job for each number of ranks and each ``isolation``, a further argument.
    """
    attached = request.param == "attached"
    skip_if_not_built()
    with tempfile.TemporaryDirectory(prefix="jm", ignore_cleanup_errors=True) as temporary_folder:
        jobs = {}
        launchers = []

        def run(ranks, text, isolation="process", **settings):
            kind = ranks, isolation
            if kind not in jobs or not jobs[kind].runs:
                launchers.append(Mpirun(tmp_path_factory.mktemp("shared"), temporary_folder))
                jobs[kind] = SharedJob(launchers[-1], *kind, attached)
            return jobs[kind].script(text, **settings)

        yield run
        for job in jobs.values():
            job.end()
        for launcher in launchers:
            launcher.check_nothing_is_left()


@pytest.fixture
def mpirun(request, tmp_path):
    """Launch real MPI jobs, which must leave nothing behind; skip if the compiled part is not built."""
    skip_if_not_built()
    # A new folder, so that no other program's files are taken for the job's; short, because sockets' paths must be.
    with tempfile.TemporaryDirectory(prefix="jm", ignore_cleanup_errors=True) as temporary_folder:
        launcher = Mpirun(tmp_path, temporary_folder, getattr(request, "param", "") == "attached")
        yield launcher
        launcher.check_nothing_is_left()


@pytest.fixture
def most_of_the_memory():
    """Let no other test of this machine that needs so much memory run at the same time."""
    with wait_for_turn("memory"):
        yield


@pytest.fixture
def memory_cgroup():
    """Return a function that makes a command, for `Mpirun.start`'s ``within``, of a number of bytes.

    What it runs has that much memory. The tests themselves stay outside, where no job's need can have them killed.
    """
    memory = Path("/sys/fs/cgroup/memory")
    limit_name = "memory.limit_in_bytes"
    if not (memory / "cgroup.procs").exists():
        memory, limit_name = Path("/sys/fs/cgroup"), "memory.max"
    own = memory / f"joblib_mpi_test_{os.getpid()}"
    try:
        own.mkdir()
    except OSError:
        pytest.skip("only root may make a memory cgroup, and not in every container")
    if not (own / limit_name).exists():
        own.rmdir()
        pytest.skip("the memory controller is not given to this group")

    def within(nbytes):
        (own / limit_name).write_text(str(nbytes))
        return ["sh", "-c", f'echo $$ >"{own}/cgroup.procs" && exec "$@"', "sh"]

    yield within
    remove_when_empty(own)


def remove_when_empty(cgroup):
    """Remove the cgroup once the last process of a job has left it, a moment after mpirun."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        try:
            return cgroup.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


@pytest.fixture
def place(mpirun):
    """Return a `Place` that looks like a machine without a batch system; jobs must leave nothing behind."""
    mpirun.may_leave_open_mpi_files = True  # those of mpirun, when a job ends with a status
    return Place(mpirun.folder, {**environment_without_batch_system(), **mpirun.environment})
