"""The command as it is installed with the Python package."""

import json
import os
import subprocess
import sys
from pathlib import Path

import joblib

import joblib_mpi


def test_the_installed_doctor_finds_nothing_wrong_with_this_python():
    command = Path(sys.executable).parent / "joblib-mpi"
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    ended = subprocess.run(
        [command, "doctor", "-n", "2", "--python", sys.executable, "--json", "-"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(ended.stdout)["report"]
    first, second = report["ranks"]
    assert first["python"]["error"] == ""
    assert first["python"]["executable"] == sys.executable
    assert first["python"]["packages"]["joblib"] == joblib.__version__
    assert first["python"]["packages"]["joblib_mpi"] == joblib_mpi.__version__
    # The module and the command are of one build, so they load one MPI.
    assert first["python"]["mpi_file"] == first["mpi"]["file"] != ""
    assert second["python"]["executable"] == ""  # one rank of each host is enough
