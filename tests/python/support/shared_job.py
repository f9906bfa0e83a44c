"""Jobs that run scripts of several tests one after another."""

import json
import os
import shutil
import time

import pytest

from support.mpirun import PROGRAMS, Launched
from support.time_limits import TIMEOUT_SECONDS


class SharedJob:
    """A job with which scripts of several tests run one after another, for tests that check neither start nor end.

    They run on its rank 0, or, with ``attached``, in one process that is the job's client.

    All its processes work in one folder, which is emptied before each script except for the programs of the tests. What
    workers print is not part of a script's output. A job in which a script failed runs no further scripts.
    """

    def __init__(self, launcher, ranks, isolation, attached):
        self._launcher = launcher
        self._server = None
        self._folder = launcher.folder
        for program in PROGRAMS.glob("*.py"):
            launcher.copy(program.name)
        self._kept = set(os.listdir(self._folder)) | {"output"}
        self._n_scripts = 0
        options = ["--isolation", isolation]
        with open(self._folder / "output", "w") as output:
            if attached:
                self._server, self._access = launcher.serve(ranks, *options, output=output)
                self._kept.add(self._access.relative_to(self._folder).parts[0])
                self._process = launcher.start_client(self._access, "one_after_another.py", output=output)
            else:
                program = ["-m", "joblib_mpi", *options, "one_after_another.py"]
                self._process = launcher.start(ranks, *program, output=output)

    @property
    def runs(self):
        """True if the job can run a script."""
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
