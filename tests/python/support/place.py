"""A user's folder in which the command joblib-mpi runs, as pip installs it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from support.time_limits import TIMEOUT_SECONDS

COMMAND = Path(sys.executable).parent / "joblib-mpi"


def environment_without_batch_system():
    """Return this process's environment as a user has it outside of jobs and virtual environments."""
    mine = ("OMPI_", "PMIX_", "PMI_", "SLURM_", "PBS_", "LSB_", "JOBLIB_MPI_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
    environment.pop("VIRTUAL_ENV", None)
    return environment


class Place:
    """A user's folder and the environment in which the command runs."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = environment

    def __call__(self, *arguments, command=(str(COMMAND),), environment=None):
        """Run the command and return it as `subprocess.CompletedProcess`."""
        return subprocess.run(
            [*command, *arguments],
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            stdin=subprocess.DEVNULL,
        )

    def write(self, name, text, *, executable=False):
        """Write a file into the folder."""
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        if executable:
            path.chmod(0o755)
        return path
