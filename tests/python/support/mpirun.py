"""Programs on real MPI ranks, and clients of jobs that serve."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from functools import cache
from pathlib import Path

import pytest

from support.marked_jobs import MarkedJobs
from support.place import COMMAND
from support.time_limits import TIMEOUT_SECONDS

PROGRAMS = Path(__file__).resolve().parent.parent / "end_to_end" / "programs"


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


class Mpirun(MarkedJobs):
    """Starts programs under mpirun.

    Parameters
    ----------
    folder : Path
        The working directory of the programs.
    temporary_folder : str
        As for `MarkedJobs`.
    attached : bool
        Whether `script` runs its programs as clients of a job, and not on rank 0.
    """

    def __init__(self, folder, temporary_folder, attached=False):
        super().__init__(temporary_folder)
        self.folder = folder
        self.attached = attached

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

    def copy(self, program):
        """Copy one of the programs of end_to_end/programs into the test's folder."""
        return self.write(program, (PROGRAMS / program).read_text())

    def start(
        self,
        ranks,
        *arguments,
        environment=None,
        survives=False,
        output=subprocess.PIPE,
        within=(),
        launcher_options=(),
        wrapper=(),
    ):
        """Start the program and return without waiting; `finish` must follow.

        With ``survives`` the launcher lets the other ranks continue when one dies. ``output`` may be a file for all
        output. ``within`` is a command that runs the launcher, which follows it, as ``wrapper`` runs Python on each
        rank. A variable of ``environment`` that is None is unset.
        """
        options = [*(surviving_options() if survives else []), *launcher_options]
        mpirun = ["mpirun", "--oversubscribe", *options, "-n", str(ranks)]
        return self._start([*within, *mpirun, *wrapper, sys.executable, *arguments], environment or {}, output)

    def start_by_command(self, ranks, *arguments, environment=None, within=()):
        """Start ``joblib-mpi run *arguments`` and return without waiting; the settings are those of `start`."""
        command = [*within, str(COMMAND), "run", "-n", str(ranks), *arguments]
        return self._start(command, environment or {}, subprocess.PIPE)

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
        """True if MPI tells rank 0 of a dead rank, and the job then ends as if none had died."""
        return mpi_tells_of_dead_ranks()
