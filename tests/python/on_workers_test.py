"""Tests of `run_on_workers` on the double: where the function runs, and what comes of its errors."""

import dataclasses
import threading
import warnings

import pytest
from joblib import Parallel, delayed, parallel_config

from joblib_mpi import RemoteTraceback, SessionError, WorkerLostError, run_on_workers
from joblib_mpi import session as sessions
from joblib_mpi.calls import tasks_at_a_time

LOST = ("lost", "the rank was lost (was unplugged)", 0)


def add(x, y=0):
    return x + y


def raise_error(text):
    raise ValueError(text)


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int = 3


def raise_frozen():
    raise Frozen


def test_each_worker_runs_the_function_once(make_job):
    job = make_job(3)
    assert run_on_workers(add, 1, y=2) == [3, 3, 3]
    assert [task[:2] for task in job.submitted] == [(job.submitted[0][0], index) for index in range(3)]


def test_results_stand_in_the_order_of_ranks(make_job):
    job = make_job(3)
    job.faults = {1: LOST}
    first, second, third = run_on_workers(add, 1, on_error="return")
    assert (first, third) == (1, 1)
    assert isinstance(second, WorkerLostError)
    assert second.rank == 2


def test_once_per_host_the_first_worker_of_each_runs_it(make_job, monkeypatch):
    job = make_job(4)
    monkeypatch.setattr(type(job.rank0), "host", lambda self, rank: f"host{rank // 3}")
    assert run_on_workers(add, 1, once_per_host=True) == [1, 1]


def test_the_first_error_is_raised_once_all_have_ended_and_names_the_others(job):
    with pytest.raises(ValueError, match="no data") as caught:
        run_on_workers(raise_error, "no data")
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "rank 1 on host1" in str(caught.value.__cause__)
    assert caught.value.__notes__ == ["It failed as well on rank 2 on host2 (ValueError)."]
    assert not job.calls


def test_an_error_that_refuses_notes_names_the_other_ranks_as_well(job):
    with pytest.raises(Frozen) as caught:
        run_on_workers(raise_frozen)
    assert caught.value.__notes__ == ["It failed as well on rank 2 on host2 (Frozen)."]


def test_options_of_the_configuration_hold(job):
    with parallel_config(backend="mpi", retries=7, task_timeout=3):
        run_on_workers(add, 1)
    assert list(job.options.values()) == [(7, False, 3.0, 0)]


def test_it_runs_beside_a_call(job):
    inside = threading.Event()
    seen = []

    def tasks():
        for i in range(20):
            if i == 10:
                inside.set()
            yield delayed(add)(i)

    caller = threading.Thread(target=lambda: seen.append(Parallel(backend="mpi")(tasks())))
    caller.start()
    inside.wait()
    assert run_on_workers(add, 5) == [5, 5]
    caller.join()
    assert seen == [list(range(20))]


def test_in_a_job_with_one_rank_the_function_runs_there(make_job, monkeypatch):
    make_job(0)
    monkeypatch.setattr(tasks_at_a_time, "_warned_about_one_rank", False)
    with pytest.warns(UserWarning, match="has one rank"):
        assert run_on_workers(add, 4) == [4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run_on_workers(add, 4) == [4]


def test_inside_a_task_it_is_refused(job, monkeypatch):
    monkeypatch.setattr(sessions.current(), "is_worker", True)
    with pytest.raises(SessionError, match="not inside a task"):
        run_on_workers(add, 1)


def test_what_is_no_function_and_unknown_options_are_refused(job):
    with pytest.raises(TypeError, match="a function"):
        run_on_workers("hostname")
    with pytest.raises(ValueError, match='on_error=\'ignore\'; allowed: "raise", "return"'):
        run_on_workers(add, on_error="ignore")
    with pytest.raises(TypeError, match="once_per_host=1"):
        run_on_workers(add, once_per_host=1)
