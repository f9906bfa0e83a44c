"""Tests of a generator whose consumer stalls: tasks wait while its results fill rank 0's memory."""

import time

import pytest
from joblib import Parallel, delayed

from joblib_mpi import SessionError
from joblib_mpi.calls.back_pressure import BackPressure

N_TASKS = 60
#: Longer than the dispatcher waits before it looks again at the tasks that it holds back.
SOME_TIME = 0.3


def wait_until_still(job):
    """Wait until no more tasks are submitted, and return their number."""
    submitted = -1
    while submitted != len(job.submitted):
        submitted = len(job.submitted)
        time.sleep(SOME_TIME)
    return submitted


@pytest.fixture(params=["generator", "generator_unordered"])
def start(request):
    """Start the tasks and return the generator of their results."""
    parallel = Parallel(backend="mpi", batch_size=1, return_as=request.param)
    return lambda: parallel(delayed(abs)(i) for i in range(N_TASKS))


def test_with_memory_left_the_tasks_run_ahead_of_the_consumer(job, start):
    results = start()
    next(results)
    assert wait_until_still(job) == N_TASKS
    assert len(list(results)) == N_TASKS - 1


def test_in_full_memory_tasks_wait_for_a_consumer_that_stalls(job, start):
    job.memory_is_full = True
    results = start()
    found = [next(results)]
    assert wait_until_still(job) < N_TASKS / 2
    found.append(next(results))
    job.memory_is_full = False
    assert wait_until_still(job) == N_TASKS
    assert sorted([*found, *results]) == list(range(N_TASKS))


def test_in_full_memory_a_consumer_that_waits_gets_all_results(job, start):
    job.memory_is_full = True
    results = start()
    assert sorted(results) == list(range(N_TASKS))


def test_a_generator_that_is_dropped_leaves_nothing_held_back(job, start):
    job.memory_is_full = True
    results = start()
    next(results)
    results.close()
    assert Parallel(backend="mpi")(delayed(abs)(i) for i in range(20)) == list(range(20))


def test_tasks_that_are_held_back_when_the_job_is_lost_end_with_its_error(job, start):
    job.memory_is_full = True
    results = start()
    next(results)
    wait_until_still(job)
    job.failure = SessionError("the job is gone")
    with pytest.raises(SessionError, match="the job is gone"):
        list(results)


def test_an_error_while_tasks_are_held_back_is_one_of_the_call(job, start, monkeypatch):
    job.memory_is_full = True
    results = start()
    next(results)
    wait_until_still(job)

    def fail(*arguments):
        raise RuntimeError("broken")

    monkeypatch.setattr(BackPressure, "must_wait", fail)
    with pytest.raises(RuntimeError, match="broken"):
        list(results)


def test_a_list_of_results_does_not_wait(job):
    job.memory_is_full = True
    assert Parallel(backend="mpi")(delayed(abs)(i) for i in range(N_TASKS)) == list(range(N_TASKS))
