"""Tests of tasks whose arguments the program changes while joblib asks it for the next task."""

import array
import weakref

import numpy
import pytest
from joblib import Parallel, delayed

from joblib_mpi import joblib_internals
from joblib_mpi.calls.refilled_buffers import COPIED_BYTES, RefilledBuffers

N_TASKS = 12
N_LARGE = COPIED_BYTES // 8


def total(values):
    return sum(values)


def first(values):
    return values[0]


def total_of_all(parts):
    return sum(total(part) for part in (parts.values() if isinstance(parts, dict) else parts))


def refilled(make, fill, function=total):
    """Yield tasks with one object that is filled anew for each."""
    buffer = make()
    for i in range(N_TASKS):
        fill(buffer, i)
        yield delayed(function)(buffer)


def fill_all(buffer, i):
    for position in range(len(buffer)):
        buffer[position] = i


def fill_parts(parts, i):
    for part in parts.values() if isinstance(parts, dict) else parts:
        fill_all(part, i)


@pytest.fixture(params=["1", "5", "auto", "all"])
def options(request):
    """Return the options of joblib that say how far it looks ahead."""
    if request.param == "all":
        return {"pre_dispatch": "all", "batch_size": 1}
    return {"batch_size": request.param if request.param == "auto" else int(request.param)}


@pytest.mark.parametrize(
    "make",
    [
        lambda: numpy.zeros(3),
        lambda: numpy.zeros((3, 4))[:, 1],
        lambda: bytearray(3),
        lambda: array.array("d", [0, 0, 0]),
        lambda: [0, 0, 0],
        lambda: dict.fromkeys(range(3), 0),
    ],
    ids=["array", "column", "bytearray", "array.array", "list", "dict"],
)
def test_a_buffer_that_is_refilled_for_each_task_has_its_content_in_each(job, options, make):
    function = (lambda values: sum(values.values())) if isinstance(make(), dict) else total
    results = Parallel(backend="mpi", **options)(refilled(make, fill_all, function))
    assert results == [3 * i for i in range(N_TASKS)]


@pytest.mark.parametrize("make", [lambda: [numpy.zeros(3)], lambda: {"a": numpy.zeros(2), "b": bytearray(1)}])
def test_a_buffer_in_a_list_or_dictionary(job, options, make):
    assert Parallel(backend="mpi", **options)(refilled(make, fill_parts, total_of_all)) == [
        3 * i for i in range(N_TASKS)
    ]


def test_a_buffer_given_by_name(job):
    def tasks():
        buffer = numpy.zeros(3)
        for i in range(N_TASKS):
            buffer[:] = i
            yield delayed(total)(values=buffer)

    assert Parallel(backend="mpi")(tasks()) == [3 * i for i in range(N_TASKS)]


def test_each_of_many_calls_of_one_object(job):
    with Parallel(backend="mpi", batch_size=1) as parallel:
        for _ in range(3):
            results = parallel(refilled(lambda: numpy.zeros(3), fill_all))
            assert results == [3 * i for i in range(N_TASKS)]


def test_a_large_array_that_is_refilled_too_early_is_an_error_that_says_what_to_do(job):
    tasks = refilled(lambda: numpy.zeros(N_LARGE), lambda buffer, i: buffer.fill(i), first)
    with pytest.raises(ValueError, match=r"an array of 1048576 bytes .*was changed .*array\.copy\(\)"):
        Parallel(backend="mpi", batch_size=1)(tasks)
    assert Parallel(backend="mpi")(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]


class Watched:
    """Tasks as `RefilledBuffers` yields them."""

    def __init__(self, scattered=(), copied_bytes=COPIED_BYTES):
        self.n_sent = 0
        self.outstanding = set()
        self.buffers = RefilledBuffers({id(value): 1 for value in scattered}, copied_bytes, self)

    def n_expected(self):
        return self.n_sent

    def has_outstanding(self, indices):
        return not self.outstanding.isdisjoint(indices)

    def arguments(self, *values):
        tasks = list(self.buffers.of(iter([delayed(first)(value) for value in values])))
        self.outstanding.update(range(self.n_sent, self.n_sent + len(values)))
        self.n_sent += len(values)
        return [args[0] for _, args, _ in tasks]


def test_tasks_with_one_object_that_stays_as_it_is_get_one_copy():
    for value in (numpy.zeros(3), [1, 2], {"a": numpy.zeros(3)}, bytearray(b"abc")):
        one, two, other = Watched().arguments(value, value, type(value)(value) if type(value) is list else value)
        assert one is two
        assert one is not value
        assert repr(other) == repr(value)


@pytest.mark.parametrize(
    "value", [numpy.zeros(N_LARGE), numpy.broadcast_to(numpy.zeros(1), 5), numpy.array([[]], dtype=object), (1, [2]), 5]
)
def test_what_cannot_be_refilled_or_is_shared_between_tasks_is_not_copied(value):
    assert Watched().arguments(value)[0] is value


def test_scattered_objects_are_not_copied():
    values = [numpy.zeros(3), [1]]
    assert [one is two for one, two in zip(Watched(values).arguments(*values), values, strict=True)] == [True, True]


def test_arrays_that_are_shared_between_tasks_are_not_copied():
    value = numpy.zeros(100)
    assert Watched(copied_bytes=800).arguments(value)[0] is value
    assert Watched(copied_bytes=801).arguments(value)[0] is not value


def test_memory_that_tasks_may_write_to_is_not_looked_at(tmp_path):
    output = numpy.memmap(tmp_path / "output", mode="w+", shape=N_LARGE)
    watched = Watched()
    tasks = watched.buffers.of(iter([delayed(first)(output), delayed(first)(output[1:])]))
    next(tasks)
    output[:] = 1
    assert next(tasks)[1][0].base is output


def test_a_large_array_may_change_once_the_tasks_that_were_asked_for_with_its_own_are_done():
    watched, value, other = Watched(), numpy.zeros(N_LARGE), numpy.zeros(N_LARGE)
    watched.arguments(value, 0)
    watched.buffers.begin()
    watched.arguments(other)
    watched.buffers.begin()
    watched.outstanding = {2}
    watched.buffers.begin()
    value += 1
    watched.arguments(value)
    other += 1
    with pytest.raises(ValueError, match="was changed"):
        watched.arguments(other)


def test_a_stream_of_large_arrays_is_let_go_while_one_of_its_tasks_takes_long():
    watched = Watched()
    slow = numpy.zeros(N_LARGE)
    watched.arguments(slow)
    arrays = [weakref.ref(slow)]
    for _ in range(5):
        watched.buffers.begin()
        value = numpy.zeros(N_LARGE)
        watched.arguments(value)
        arrays.append(weakref.ref(value))
        watched.outstanding = {0}
    watched.buffers.begin()
    del slow, value
    assert [array() is None for array in arrays] == [False, True, True, True, True, True]


def test_no_more_large_arrays_are_kept_than_take_no_time_to_look_at():
    watched = Watched()
    arrays = [weakref.ref(watched.arguments(numpy.zeros(N_LARGE))[0]) for _ in range(100)]
    assert [array() is None for array in arrays] == [True] * 36 + [False] * 64


def test_a_list_that_contains_itself_is_copied_only_so_far():
    value = [1]
    value.append(value)
    [copy] = Watched().arguments(value)
    assert copy is not value
    assert copy[1][1] is value


def test_a_finished_call_lets_go_of_its_arguments(job):
    with Parallel(backend="mpi", max_nbytes=None) as parallel:
        assert parallel(delayed(first)(value) for value in ([0], numpy.zeros(N_LARGE))) == [0, 0]
        buffers = parallel._backend._calls.settings_of[parallel].buffers
        assert (buffers._large, buffers._copies) == ({}, {})


def test_without_joblibs_method_tasks_are_taken_as_they_are():
    class Renamed:
        pass

    parallel = Renamed()
    joblib_internals.watch_tasks(parallel, Watched().buffers)
    assert vars(parallel) == {}
