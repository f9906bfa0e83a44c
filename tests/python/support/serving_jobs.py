"""Jobs that wait for clients, as users start them, for end-to-end tests."""

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from joblib_mpi.serving import access
from support.place import COMMAND
from support.time_limits import TIMEOUT_SECONDS


class ServingJobs:
    """Jobs that a user has started with ``joblib-mpi serve`` in a `Place`."""

    def __init__(self, place):
        self.place = place
        self.jobs = place.folder / "state" / "joblib-mpi" / "jobs"
        place.environment["XDG_STATE_HOME"] = str(place.folder / "state")
        for name in ("XDG_RUNTIME_DIR", "SLURM_JOB_ID"):
            place.environment.pop(name, None)
        self._started = []

    def start(self, *options):
        """Start a job, wait until it serves, and return its `subprocess.Popen` and its `Access`."""
        before = set(self.names())
        number = len(self._started)
        with open(self.place.folder / f"output{number}", "w") as output:
            job = subprocess.Popen(
                [str(COMMAND), "serve", *options],
                cwd=self.place.folder,
                env=self.place.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # Also if what runs the tests has it ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self._started.append(job)
        wait_until(lambda: set(self.names()) - before or job.poll() is not None)
        assert job.poll() is None, self.output(number)
        (name,) = set(self.names()) - before
        # The lines to paste come after the access file.
        wait_until(lambda: "joblib-mpi list" in self.output(number))
        return job, access.read(str(self.jobs / f"{name}.json"))

    def output(self, number=0):
        """Return what the job of that number has printed."""
        return (self.place.folder / f"output{number}").read_text()

    def names(self):
        """Return the names of the jobs that have access files."""
        return sorted(path.stem for path in self.jobs.glob("[!.]*.json"))

    def folders_of_sockets(self):
        """Return the folders of sockets that are there."""
        return list(Path(self.place.environment["TMPDIR"]).glob("joblib-mpi-serve-*"))

    def end(self):
        """End what a failed test has left."""
        for job in self._started:
            if job.poll() is None:
                job.terminate()
                with suppress(subprocess.TimeoutExpired):
                    job.wait(TIMEOUT_SECONDS)


def wait_until(condition):
    """Wait until `condition()` is true."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
