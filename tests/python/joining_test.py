"""Tests of how a process gets its session, where that needs no ranks: excluded options, and who may start ranks."""

import pytest
from joblib import Parallel, delayed

import joblib_mpi
from joblib_mpi import joining, local_job
from joblib_mpi import session as sessions
from joblib_mpi.worker_identity import TASK_VARIABLE


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, True),
        ({"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}, True),  # a batch script
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "0"}, False),
        ({"OMPI_COMM_WORLD_RANK": "1"}, False),
        ({"PMIX_RANK": "0"}, False),
        ({TASK_VARIABLE: "1"}, False),
    ],
)
def test_what_a_launcher_or_a_task_has_started_starts_no_ranks(environment, expected):
    assert local_job.may_start(environment) == expected


@pytest.mark.parametrize("options", [{"scheduler_host": "auto"}, {"scheduler_file": "f"}, {"n_workers": 2}])
def test_rank_0_is_no_client(job, options):
    with pytest.raises(joblib_mpi.SessionError, match="no part of an MPI job"):
        joblib_mpi.MpiBackend(**options)
    with pytest.raises(joblib_mpi.SessionError, match="no part of an MPI job"):
        Parallel(backend="mpi", **options)([delayed(abs)(1)])


def test_options_that_exclude_each_other_are_named():
    with pytest.raises(ValueError, match="scheduler_host='auto' and n_workers=2; allowed: one of them"):
        joining.join("auto", 2)
    with pytest.raises(ValueError, match="scheduler_file='file' and n_workers=2; allowed: one of them"):
        joining.join(None, 2, "file")
    with pytest.raises(TypeError, match="scheduler_host=7; allowed: a text"):
        joining.join(7, None)
    for wrong in (7, b"file", ""):
        with pytest.raises(TypeError, match=r"scheduler_file=.*; allowed: the path of an access file"):
            joining.join(None, None, wrong)


@pytest.mark.parametrize("value", ["-1", "soon", "nan", "1e9"])
def test_a_resume_window_out_of_range_is_refused(monkeypatch, value):
    monkeypatch.setenv("JOBLIB_MPI_RESUME_SECONDS", value)
    with pytest.raises(ValueError, match=f"JOBLIB_MPI_RESUME_SECONDS='{value}'; allowed: seconds from 0 to 86400"):
        joining.join("ssh:nowhere", None)


def test_without_a_session_a_task_that_was_started_apart_is_told_why(monkeypatch):
    monkeypatch.setattr(sessions, "_session", None)
    monkeypatch.setenv(TASK_VARIABLE, "1")
    with pytest.raises(joblib_mpi.SessionError, match="this process has no MPI session"):
        Parallel(backend="mpi")([delayed(abs)(1)])


def test_shutdown_leaves_rank_0s_session_alone(job):
    joblib_mpi.shutdown()
    assert Parallel(backend="mpi")(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]
