"""Tests of large arrays that the tasks of ``Parallel`` share, with and without a hint."""

import gc
import math

import joblib
import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config

import joblib_mpi
from joblib_mpi import session as sessions
from joblib_mpi.sharing.shared_buffers import ASKED_BYTES, SharedBuffers
from joblib_mpi.sharing.sharing_options import Sharing
from support.nodes import Nodes


def normal(size=50_000, seed=0):
    return np.random.default_rng(seed).normal(size=size)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (2**20, False)),
        ({"max_nbytes": None}, (math.inf, False)),
        ({"max_nbytes": 5, "mmap_mode": "c"}, (5, True)),
        ({"mmap_mode": None}, (2**20, True)),
    ],
)
def test_joblibs_options_are_read(options, expected):
    assert Sharing.from_options(options) == expected


def total(x, scale=1):
    return x.sum() * scale


def write(array):
    array[0] = 1
    return float(array.sum())


def writeable(array):
    return array.flags.writeable


@pytest.mark.parametrize(("pre_dispatch", "n_carriers"), [(1, 1), ("all", 0)])
def test_tasks_share_an_array_without_a_hint(job, pre_dispatch, n_carriers):
    x = normal(200_000)
    found = Parallel(batch_size=1, backend="mpi", pre_dispatch=pre_dispatch)(delayed(total)(x, i) for i in range(20))
    assert found == [x.sum() * i for i in range(20)]
    sent = [len(task[3]) + sum(memoryview(buffer).nbytes for buffer in task[4]) for task in job.submitted]
    assert sum(nbytes > x.nbytes for nbytes in sent) == n_carriers
    stats = joblib_mpi.stats()
    assert (stats["sent_with_a_task"], stats["broadcast"], stats["automatic_bytes"]) == (n_carriers, 1, x.nbytes)


def test_max_nbytes_none_switches_sharing_off(job):
    x = normal(200_000)
    found = Parallel(batch_size=1, backend="mpi", max_nbytes=None)(delayed(writeable)(x) for _ in range(5))
    assert found == [True] * 5
    assert job.n_scattered == 0


def test_max_nbytes_sets_the_threshold(job):
    x = normal(2000)
    with parallel_config(backend="mpi", max_nbytes="10K"):
        Parallel(batch_size=1)(delayed(total)(x) for _ in range(5))
    assert job.n_scattered == 0  # still too short for a separate message
    x = normal(20_000)
    with parallel_config(backend="mpi", max_nbytes="10K"):
        Parallel(batch_size=1)(delayed(total)(x) for _ in range(5))
    assert job.n_scattered == 1


def test_writing_to_a_shared_array_names_the_option(job):
    x = normal(200_000)
    with pytest.raises(ValueError, match="read-only") as caught:
        Parallel(batch_size=1, backend="mpi")(delayed(write)(x) for _ in range(3))
    assert 'mmap_mode="c"' in "".join(caught.value.__notes__)


@pytest.mark.parametrize("mmap_mode", ["c", "r+", "w+", None])
@pytest.mark.parametrize("scatter", [False, True])
def test_a_task_may_write_to_what_is_its_own(job, mmap_mode, scatter):
    x = np.ones(200_000)
    with parallel_config(backend="mpi", mmap_mode=mmap_mode, **({"scatter": [x]} if scatter else {})):
        assert Parallel(batch_size=1)(delayed(write)(x) for _ in range(6)) == [200_000.0] * 6
    x[0] = 2
    assert (
        Parallel(batch_size=1, backend="mpi", mmap_mode=mmap_mode)(delayed(write)(x) for _ in range(4))
        == [200_000.0] * 4
    )


def test_an_unknown_mode_is_refused_by_name():
    with pytest.raises(ValueError, match=r"mmap_mode='x'; allowed: .*None"):
        Sharing.from_options({"mmap_mode": "x"})


def test_buffers_of_a_scattered_object_are_found_in_others(job):
    x = normal(200_000)
    with parallel_config(backend="mpi", scatter=[{"x": x}]):
        Parallel(batch_size=1)(delayed(total)(x) for _ in range(5))
        assert job.n_scattered == 1
        assert joblib_mpi.stats()["sent_with_a_task"] == 0


def test_a_handle_arrives_as_its_object_wherever_it_is(job):
    x = normal(200_000)
    handle = joblib_mpi.scatter(x)
    assert handle.value is x
    assert Parallel(batch_size=1, backend="mpi")(delayed(total)(handle, i) for i in range(4)) == [
        x.sum() * i for i in range(4)
    ]
    found = Parallel(backend="mpi")(delayed(lambda nested: total(nested[0]["x"]))([{"x": handle}]) for _ in range(3))
    assert found == [x.sum()] * 3
    assert job.n_scattered - joblib_mpi.stats()["automatic_objects"] == 1
    assert Parallel(n_jobs=1, backend="mpi")(delayed(total)(handle) for _ in range(2)) == [x.sum()] * 2


def test_the_object_of_a_handle_is_freed_with_it(job):
    handle = joblib_mpi.scatter([1, 2, 3])
    assert joblib_mpi.stats()["scattered_objects"] == 1
    assert Parallel(backend="mpi")(delayed(len)(handle) for _ in range(3)) == [3] * 3
    del handle
    gc.collect()
    assert joblib_mpi.stats()["scattered_objects"] == 0
    assert joblib_mpi.stats()["scattered_bytes"] == 0


def test_a_handle_is_for_tasks_of_this_backend_only(job):
    with pytest.raises(TypeError, match="only in the arguments of a task"):
        joblib.hash(joblib_mpi.scatter([1]))


def test_what_cannot_be_pickled_cannot_be_scattered(job):
    with pytest.raises(TypeError, match=r"the object \(generator\) cannot be pickled"):
        joblib_mpi.scatter(i for i in range(3))


def test_without_workers_scatter_returns_the_object_itself(make_job):
    make_job(0)
    x = normal()
    assert joblib_mpi.scatter(x) is x


def test_the_limit_of_shared_memory_is_a_setting(job, monkeypatch):
    monkeypatch.setenv("JOBLIB_MPI_SHARED_LIMIT", "1MB")
    x = normal(200_000)
    assert sessions.current().shared.limit == 10**6
    with (
        pytest.raises(MemoryError, match=r"scatter\[0\] \(ndarray\) needs 1600\d+ bytes on each node"),
        parallel_config(backend="mpi", scatter=[x]),
    ):
        pass
    assert Parallel(batch_size=1, backend="mpi")(delayed(total)(x) for _ in range(4)) == [x.sum()] * 4
    assert job.n_scattered == 0


def test_without_the_setting_only_what_was_found_is_limited():
    nodes = Nodes()
    shared = SharedBuffers(nodes, 500_000, 500_000, limits_scattered=False)
    shared.scatter(b"head", [normal(200_000)], "the array")
    content = normal()
    for _ in range(3):
        assert shared.use(b"its hash", memoryview(content).cast("B"), call=1) is None


@pytest.mark.parametrize("limit", ["lots", "-5"])
def test_a_limit_that_is_none_is_named(job, monkeypatch, limit):
    monkeypatch.setenv("JOBLIB_MPI_SHARED_LIMIT", limit)
    with pytest.raises(ValueError, match=f"JOBLIB_MPI_SHARED_LIMIT='{limit}'"):
        joblib_mpi.scatter([1])


def test_where_two_copies_have_no_room_an_array_becomes_an_object_at_its_first_use():
    content = memoryview(bytes(ASKED_BYTES))

    def first_use(room, limit=2**30, **options):
        nodes = Nodes()
        shared = SharedBuffers(nodes, limit, 2**30, room=lambda: room, **options)
        return shared.use(b"its hash", content, call=1) is not None

    assert not first_use(3 * ASKED_BYTES)
    assert first_use(3 * ASKED_BYTES - 1)
    assert first_use(0, limit=ASKED_BYTES - 1, limits_scattered=False)  # a copy with each task would take more
    assert not first_use(0, limit=ASKED_BYTES - 1)


def test_the_room_for_small_arrays_is_not_looked_at():
    def room():
        raise AssertionError("asked for the room")

    shared = SharedBuffers(Nodes(), 2**30, 2**30, room=room)
    assert shared.use(b"its hash", memoryview(bytes(ASKED_BYTES - 1)), call=1) is None
