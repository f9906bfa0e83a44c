"""Fixtures: `job`, a session on worker threads of this process, and `mpirun`, which starts real MPI jobs."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = HERE / "end_to_end" / "programs"
sys.path[:0] = [str(HERE), str(HERE.parent)]

from one_at_a_time import wait_for_turn  # noqa: E402

from support import core_double  # noqa: E402
from support.place import Place, environment_without_batch_system  # noqa: E402
from support.time_limits import END_SECONDS, TIMEOUT_SECONDS  # noqa: E402

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


def pytest_collection_modifyitems(items):
    """Mark the tests that start no rank, and leave out clients of jobs without workers, of which there are none."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.unit)
    items[:] = [item for item in items if not _is_client_of_one_rank(item)]


def _is_client_of_one_rank(item):
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return parameters.get("mpirun") == "attached" and parameters.get("ranks") == 1


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


@cache
def mpi_tells_of_dead_ranks():
    """Return whether this machine's Open MPI has ULFM, as versions from 5 on do."""
    version = subprocess.run(["mpirun", "--version"], capture_output=True, text=True, check=True).stdout
    return int(version.split("(Open MPI) ")[1].split(".")[0]) >= 5


def surviving_options():
    """Return the options with which mpirun lets the other ranks continue when one dies."""
    if mpi_tells_of_dead_ranks():
        return ["--with-ft", "ulfm"]
    return ["--mca", "orte_abort_on_non_zero_status", "0", "--mca", "orte_allowed_exit_without_sync", "1"]


class Launched:
    """A finished `mpirun`: `status`, `stdout`, `stderr`."""

    def __init__(self, status, stdout, stderr):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr

    def __repr__(self):
        return f"status {self.status}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"


class Mpirun:
    """Starts programs under mpirun and finds what they leave behind."""

    def __init__(self, folder, temporary_folder, attached=False):
        self.folder = folder
        self.attached = attached
        self._temporary_folder = Path(temporary_folder)
        self._shared_memory = set(os.listdir("/dev/shm"))
        #: Where Open MPI has its own shared memory, apart from that of other programs.
        self._open_mpi_memory = Path(tempfile.mkdtemp(prefix="jm", dir="/dev/shm"))
        self._open_mpi_memory.chmod(0o1777)
        self._mark = f"JOBLIB_MPI_TEST_{os.getpid()}_{id(self)}"
        #: Whether files of Open MPI may remain: the session folder, also of mpirun, remains if a job ends abruptly;
        #: that folder (4.1) or shared memory (5.0) remains if a process is started without mpirun, even though its MPI
        #: is finalised.
        self.may_leave_open_mpi_files = False

    def __call__(self, ranks, *arguments, stdin=None, timeout=TIMEOUT_SECONDS, **settings):
        """Run ``python *arguments`` on ``ranks`` ranks in the test's folder and return it as `Launched`.

        The settings are those of `start`.
        """
        process = self.start(ranks, *arguments, **settings)
        return self.finish(process, stdin=stdin, timeout=timeout)

    def script(self, ranks, text, *arguments, options=(), name="script.py", **settings):
        """Run ``text`` as a script by ``python -m joblib_mpi *options``.

        In a test with the mark ``also_attached`` it runs once on rank 0, and once as the client of a job with these
        options. What workers print to stdout is lost then.
        """
        program = [str(self.write(name, text)), *arguments]
        if not self.attached:
            return self(ranks, "-m", "joblib_mpi", *options, *program, **settings)
        environment = settings.get("environment")
        server, access = self.serve(ranks, *options, environment=environment)
        client = self.finish(self.start_client(access, *program, environment=environment))
        self.stop_serving(access)
        job = self.finish(server)
        return Launched(client.status or job.status, client.stdout, client.stderr + job.stderr)

    def write(self, name, text):
        """Write a file into the test's folder."""
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return path

    @property
    def environment(self):
        """The environment of mpirun, which also identifies the processes and files of a job."""
        return {
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_btl_vader_backing_directory": str(self._open_mpi_memory),  # Open MPI 4.1
            "OMPI_MCA_btl_sm_backing_directory": str(self._open_mpi_memory),  # Open MPI 5
            "TMPDIR": str(self._temporary_folder),
            self._mark: "1",
        }

    def copy(self, program):
        """Copy one of the programs of end_to_end/programs into the test's folder."""
        return self.write(program, (PROGRAMS / program).read_text())

    def start(self, ranks, *arguments, environment=None, survives=False, output=subprocess.PIPE, within=()):
        """Start the program and return without waiting; `finish` must follow.

        With ``survives`` the launcher lets the other ranks continue when one dies. ``output`` may be a file for all
        output. ``within`` is a command that runs the launcher, which follows it. A variable of ``environment`` that is
        None is unset.
        """
        options = surviving_options() if survives else []
        mpirun = ["mpirun", "--oversubscribe", *options, "-n", str(ranks)]
        return self._start([*within, *mpirun, sys.executable, *arguments], environment or {}, output)

    def start_client(self, access, *arguments, environment=None, output=subprocess.PIPE):
        """Start ``python -m joblib_mpi *arguments``, without mpirun, as a client of the job with that access file."""
        options = ["--scheduler-host", str(access)]
        command = [sys.executable, "-m", "joblib_mpi", *options, *arguments]
        return self._start(command, environment or {}, output)

    def serve(self, ranks, *options, output=subprocess.PIPE, **settings):
        """Start a job that serves clients, and return its process and the path of its access file.

        The settings are those of `start`. `stop_serving` and `finish` must follow.
        """
        state = Path(tempfile.mkdtemp(prefix="state", dir=self.folder))
        variables = {**(settings.pop("environment", None) or {}), "XDG_STATE_HOME": str(state)}
        arguments = ["-m", "joblib_mpi", *options, "--serve"]
        process = self.start(ranks, *arguments, output=output, environment=variables, **settings)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not (files := list(state.rglob("[!.]*.json"))):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"no job serves\n{self.finish(process, timeout=0.1)}")
            time.sleep(0.01)
        return process, files[0]

    def stop_serving(self, access):
        """Tell the job with that access file to end."""
        os.kill(json.loads(access.read_text())["pid"], signal.SIGTERM)

    def _start(self, command, environment, output):
        variables = {**os.environ, **self.environment, **environment}
        variables = {name: value for name, value in variables.items() if value is not None}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.PIPE if output == subprocess.PIPE else subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def finish(self, process, stdin=None, timeout=TIMEOUT_SECONDS):
        """Wait for the program and return it as `Launched`; fails if it does not end."""
        try:
            stdout, stderr = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            self.may_leave_open_mpi_files = True
            self.kill_all()
            stdout, stderr = process.communicate()
            pytest.fail(f"no end after {timeout} s\n{Launched(None, stdout, stderr)}")
        self.may_leave_open_mpi_files |= process.returncode != 0
        return Launched(process.returncode, stdout, stderr)

    @property
    def tells_of_dead_ranks(self):
        """Whether MPI tells rank 0 of a dead rank, and the job then ends as if none had died."""
        return mpi_tells_of_dead_ranks()

    def kill_all(self):
        """Kill every process of the jobs."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def check_nothing_is_left(self):
        """Fail if a job has left a process, shared memory or a temporary file.

        What disappears within a moment is no failure: processes may be about to end, and shared memory may belong to
        another program.
        """
        deadline = time.monotonic() + END_SECONDS
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.kill_all()
        shutil.rmtree(self._open_mpi_memory, ignore_errors=True)
        assert not left, "left behind: " + ", ".join(left)

    def left(self):
        """Return a text that lists what is left of the jobs."""
        left = [f"process {name}" for name in self.processes().values()]
        left += [f"/dev/shm/{name}" for name in self.left_in_shared_memory()]
        for path in self._temporary_folder.iterdir():
            if not (self.may_leave_open_mpi_files and path.name.startswith(("ompi.", "prterun."))):
                left.append(str(path))
        return left

    def left_in_shared_memory(self):
        """Return the files that are new in /dev/shm and mapped by no process; those of other programs are mapped.

        Only the tests' own Open MPI is looked at: that of other jobs may have left files.
        """
        left = set(os.listdir("/dev/shm")) - self._shared_memory
        left = {name for name in left if not name.startswith(("sm_segment.", "vader_segment."))}
        for maps in Path("/proc").glob("[0-9]*/maps"):
            try:
                text = maps.read_text()
            except OSError:
                continue
            left -= {name for name in left if f"/dev/shm/{name}" in text}
        if not self.may_leave_open_mpi_files:
            left |= {str(path.relative_to("/dev/shm")) for path in self._open_mpi_memory.rglob("*")}
        return {name for name in left if os.path.isfile(f"/dev/shm/{name}")}

    def processes(self):
        """Return the ids and command lines of all processes of the jobs, known by a variable in their environment."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (OSError, IndexError):
                continue
            if self._mark.encode() in environment and state != "Z":
                found[int(folder.name)] = f"{folder.name} ({command.strip()})"
        return found


def skip_if_not_built():
    """Skip a test that needs the compiled part."""
    if getattr(joblib_mpi._core, "is_double", False):
        pytest.skip("joblib_mpi._core is not built")


class SharedJob:
    """A job with which scripts of several tests run one after another, for tests that check neither start nor end.

    They run on its rank 0, or, with ``attached``, in one process that is the job's client.

    All its processes work in one folder, which is emptied before each script except for the programs of the tests. What
    workers print is not part of a script's output. A job in which a script failed runs no further scripts.
    """

    def __init__(self, launcher, ranks, attached):
        self._launcher = launcher
        self._server = None
        self._folder = launcher.folder
        for program in PROGRAMS.glob("*.py"):
            launcher.copy(program.name)
        self._kept = set(os.listdir(self._folder)) | {"output"}
        self._n_scripts = 0
        with open(self._folder / "output", "w") as output:
            if attached:
                self._server, self._access = launcher.serve(ranks, output=output)
                self._kept.add(self._access.relative_to(self._folder).parts[0])
                self._process = launcher.start_client(self._access, "one_after_another.py", output=output)
            else:
                self._process = launcher.start(ranks, "-m", "joblib_mpi", "one_after_another.py", output=output)

    @property
    def runs(self):
        """Whether the job can run a script."""
        return self._process.poll() is None and (self._server is None or self._server.poll() is None)

    def script(self, text, timeout=TIMEOUT_SECONDS):
        """Run ``text`` and return it as `Launched`; fails if it does not end, or the job does."""
        for name in set(os.listdir(self._folder)) - self._kept:
            path = self._folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._n_scripts += 1
        path = self._launcher.write(f"script_{self._n_scripts}.py", text)
        path.with_suffix(".start").touch()
        result = path.with_suffix(".ended")
        deadline = time.monotonic() + timeout
        while not result.exists():
            if not self.runs or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"the script did not end within {timeout} s, or its job did\n{self._output()}")
            time.sleep(0.005)
        ended = Launched(**json.loads(result.read_text()))
        if ended.status != 0:
            ended.stderr += f"--- all output of the job\n{self._output()}"
            self.kill()
        return ended

    def kill(self):
        """End the job by force."""
        self._launcher.may_leave_open_mpi_files = True
        self._launcher.kill_all()
        for process in filter(None, [self._process, self._server]):
            process.wait()

    def end(self):
        """Let the job end; fail if it does not succeed."""
        if self.runs:
            self._process.stdin.close()
            try:
                assert self._process.wait(TIMEOUT_SECONDS) == 0, self._output()
                if self._server is not None:
                    self._launcher.stop_serving(self._access)
                    assert self._server.wait(TIMEOUT_SECONDS) == 0, self._output()
            finally:
                self.kill()

    def _output(self):
        return (self._folder / "output").read_text()


@pytest.fixture(scope="module", params=["rank_0", "attached"])
def shared_script(request, tmp_path_factory):
    """Return `shared_script(ranks, text)`, which runs a script in a job that the module's tests share.

    Each test runs twice: its scripts are rank 0's program, and that of a client.
    """
    attached = request.param == "attached"
    skip_if_not_built()
    with tempfile.TemporaryDirectory(prefix="jm", ignore_cleanup_errors=True) as temporary_folder:
        jobs = {}
        launchers = []

        def run(ranks, text, **settings):
            if ranks not in jobs or not jobs[ranks].runs:
                launchers.append(Mpirun(tmp_path_factory.mktemp("shared"), temporary_folder))
                jobs[ranks] = SharedJob(launchers[-1], ranks, attached)
            return jobs[ranks].script(text, **settings)

        yield run
        for job in jobs.values():
            job.end()
        for launcher in launchers:
            launcher.check_nothing_is_left()


def pytest_generate_tests(metafunc):
    """Let tests with the mark ``also_attached`` run twice: on rank 0, and as the client of a job."""
    if metafunc.definition.get_closest_marker("also_attached") is not None:
        metafunc.parametrize("mpirun", ["rank_0", "attached"], indirect=True)


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
