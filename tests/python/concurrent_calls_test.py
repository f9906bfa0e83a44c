"""Tests of concurrent calls on one backend: from threads, from generators, and from tasks of other calls."""

import operator
import threading
from concurrent.futures import ThreadPoolExecutor

from joblib import Parallel, delayed, parallel_config

from joblib_mpi.backend import MpiBackend
from support.time_limits import TIMEOUT_SECONDS


def square(x):
    return x * x


def results_of_two_threads(work):
    with ThreadPoolExecutor(2) as threads:
        return [future.result() for future in [threads.submit(work), threads.submit(work)]]


def test_two_generators_in_one_context_do_not_disturb_each_other(job):
    with parallel_config(backend="mpi"):
        first = Parallel(return_as="generator")(delayed(square)(i) for i in range(40))
        second = Parallel(return_as="generator")(delayed(operator.neg)(i) for i in range(40))
        assert list(zip(first, second, strict=True)) == [(i * i, -i) for i in range(40)]
    assert job.calls == {}


def test_two_threads_can_call_parallel_at_once(job):
    def work():
        with parallel_config(backend="mpi"):
            return [Parallel()(delayed(square)(i) for i in range(200)) for _ in range(3)]

    assert results_of_two_threads(work) == [[[i * i for i in range(200)]] * 3] * 2


def test_two_threads_can_share_one_backend_object(job):
    backend = MpiBackend(nesting_level=0)

    def work():
        return [Parallel(backend=backend)(delayed(square)(i) for i in range(200)) for _ in range(3)]

    assert results_of_two_threads(work) == [[[i * i for i in range(200)]] * 3] * 2
    assert job.calls == {}


def test_a_task_iterator_may_itself_use_the_backend(job):
    def tasks():
        for i in range(20):
            yield delayed(square)(sum(Parallel(backend="mpi", n_jobs=2)(delayed(square)(k) for k in range(3))) + i)

    assert Parallel(backend="mpi")(tasks()) == [(5 + i) ** 2 for i in range(20)]


def test_a_generator_can_feed_another_call(job):
    with parallel_config(backend="mpi"):
        squares = Parallel(return_as="generator", batch_size=1)(delayed(square)(i) for i in range(100))
        negatives = Parallel(return_as="generator", batch_size=1)(delayed(operator.neg)(x) for x in squares)
        assert Parallel(batch_size=1)(delayed(abs)(x) for x in negatives) == [i * i for i in range(100)]
    assert job.calls == {}


def test_a_task_iterator_may_wait_for_a_call_that_starts_later(job):
    started = threading.Event()
    finished = threading.Event()

    def tasks():
        for i in range(20):
            if i == 10:
                started.set()
                assert finished.wait(TIMEOUT_SECONDS)
            yield delayed(square)(i)

    def other():
        assert started.wait(TIMEOUT_SECONDS)
        results.append(Parallel(backend="mpi")(delayed(square)(i) for i in range(50)))
        finished.set()

    results = []
    thread = threading.Thread(target=other)
    thread.start()
    assert Parallel(backend="mpi", batch_size=1)(tasks()) == [i * i for i in range(20)]
    thread.join()
    assert results == [[i * i for i in range(50)]]
