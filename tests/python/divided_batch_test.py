"""Tests of batches whose items several workers share."""

import pytest
from joblib import Parallel, delayed, parallel_config

from joblib_mpi import WorkerLostError


def square(x):
    return x * x


def fail_at(x, bad):
    if x in bad:
        raise KeyError(x)
    return x


@pytest.fixture
def dividing_job(job):
    """Return a `Job` whose workers take a batch of four in three parts, the last ones first."""
    job.divide = lambda items: [part for part in (items[2:], items[1:2], items[:1]) if part]
    return job


@pytest.mark.parametrize("return_as", ["list", "generator"])
def test_the_results_of_all_parts_come_back_in_the_order_of_the_items(dividing_job, return_as):
    results = Parallel(backend="mpi", batch_size=4, return_as=return_as)(delayed(square)(i) for i in range(18))
    assert list(results) == [i * i for i in range(18)]
    assert len(dividing_job.submitted) < 18
    assert dividing_job.calls == {}


@pytest.mark.parametrize("bad", [{4}, {5}, {7}, {4, 5, 6, 7}])
def test_a_part_that_raises_fails_its_batch_once(dividing_job, bad):
    with pytest.raises(KeyError) as caught:
        Parallel(backend="mpi", batch_size=4)(delayed(fail_at)(i, bad) for i in range(12))
    assert caught.value.args[0] in bad
    assert Parallel(backend="mpi", batch_size=4)(delayed(square)(i) for i in range(12)) == [i * i for i in range(12)]


def test_a_part_that_is_lost_is_named_by_its_own_tasks(dividing_job):
    dividing_job.faults[6] = ("lost", "signal 9 (SIGKILL)", 3)
    with pytest.raises(WorkerLostError, match=r'^tasks 6 to 7 \("square"\)'):
        Parallel(backend="mpi", batch_size=4)(delayed(square)(i) for i in range(12))


def test_tasks_that_are_sent_by_themselves_are_not_divided(dividing_job):
    with parallel_config(backend="mpi", on_error="return"):
        results = Parallel(batch_size=4)(delayed(fail_at)(i, {5}) for i in range(12))
    assert [type(result) is KeyError for result in results] == [i == 5 for i in range(12)]
    assert len(dividing_job.submitted) == 12
