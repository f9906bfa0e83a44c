"""Tests of `joblib-mpi doctor` as it is installed with the Python package."""

import json
import os
import subprocess
import sys
from pathlib import Path

import joblib
import pytest

import joblib_mpi
from support.time_limits import TIMEOUT_SECONDS

pytestmark = pytest.mark.system


def doctor(**environment):
    command = Path(sys.executable).parent / "joblib-mpi"
    return subprocess.run(
        [command, "doctor", "-n", "2", "--python", sys.executable, "--json", "-"],
        env={**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )


@pytest.mark.smoke
def test_the_installed_doctor_finds_nothing_wrong_with_this_python():
    ended = doctor()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads(ended.stdout)["report"]
    first, second = report["ranks"]
    assert first["python"]["error"] == ""
    assert first["python"]["executable"] == sys.executable
    assert first["python"]["packages"]["joblib"] == joblib.__version__
    assert first["python"]["packages"]["joblib_mpi"] == joblib_mpi.__version__
    # The module and the command belong to one build, so they load one MPI.
    assert first["python"]["mpi_file"] == first["mpi"]["file"] != ""
    assert second["python"]["executable"] == ""  # one rank of each host is enough


def test_what_keeps_ranks_from_being_started_is_a_problem_with_its_remedy(tmp_path):
    ended = doctor(PATH=str(tmp_path))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    found = json.loads(ended.stdout)
    assert (found["works"], found["report"]) == (False, None)
    (problem,) = found["problems"]
    assert (problem["severity"], problem["what"]) == ("fails", "there is no mpirun on PATH")
    assert problem["remedy"].startswith("put that of Open MPI")
