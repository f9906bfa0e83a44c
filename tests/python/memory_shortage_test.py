"""Tests of rank 0 without memory for what tasks return: the calls that run end, and later ones go on."""

import threading

import pytest
from joblib import Parallel, delayed, parallel_config

from support.time_limits import TIMEOUT_SECONDS

gate = threading.Event()


def wait_until_it_is_open():
    assert gate.wait(TIMEOUT_SECONDS)


def double(i):
    return 2 * i


def doubles(n, **options):
    with parallel_config(backend="mpi"):
        return list(Parallel(**options)(delayed(double)(i) for i in range(n)))


@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
def test_a_call_whose_results_are_lost_raises_and_the_next_one_runs(job, return_as):
    job.results_without_memory = 1
    with pytest.raises(MemoryError, match="rank 0 has no memory left to go on with this call"):
        doubles(40, batch_size=1, return_as=return_as)
    assert doubles(40, batch_size=1, return_as=return_as)[-1] == 78
    assert job.calls == {}


def test_tasks_whose_errors_are_returned_have_this_one(job):
    job.results_without_memory = 1
    with parallel_config(backend="mpi", on_error="return"):
        results = Parallel(batch_size=1)(delayed(double)(i) for i in range(40))
    lost = [i for i, result in enumerate(results) if isinstance(result, MemoryError)]
    assert 0 < len(lost) < 40
    assert [result for i, result in enumerate(results) if i not in lost] == [2 * i for i in range(40) if i not in lost]


def test_no_memory_for_a_thread_ends_calls_too(job, monkeypatch):
    def cannot_start(thread):
        raise RuntimeError("can't start new thread")

    # Results of two calls at once are handed over by a thread for each.
    with parallel_config(backend="mpi"):
        first = Parallel(return_as="generator", batch_size=1)([delayed(double)(1), delayed(wait_until_it_is_open)()])
        assert next(first) == 2
        try:
            with monkeypatch.context() as short_of_memory:
                short_of_memory.setattr(threading.Thread, "start", cannot_start)
                with pytest.raises(MemoryError, match="rank 0 has no memory left to go on with this call"):
                    Parallel(batch_size=1)(delayed(double)(i) for i in range(40))
            with pytest.raises(MemoryError, match="rank 0 has no memory left to go on with this call"):
                next(first)
        finally:
            gate.set()
    assert doubles(40) == [2 * i for i in range(40)]
