"""Tests of `scatter=[...]`: objects are pickled once, found by identity, read-only, and freed with their backend."""

import gc
import threading

import joblib
import numpy
import pytest
from joblib import Parallel, delayed, parallel_backend, parallel_config

JOBLIB = tuple(int(part) for part in joblib.__version__.split(".")[:2])


class CountsPickling:
    def __init__(self):
        self.pickled = 0

    def __reduce__(self):
        self.pickled += 1
        return str, ("unpickled",)


class Holder:
    def __init__(self, content):
        self.content = content


def identity_and_writeable(array):
    return id(array), array.flags.writeable, float(array.sum())


def unwrap(nested):
    return nested["deep"][0].content


def write(array):
    array[0] = 1


def total(matrix):
    matrix.data *= 2
    return matrix.sum()


def test_each_object_is_pickled_once_for_any_number_of_tasks(job):
    counted = CountsPickling()
    with parallel_config(backend="mpi", scatter=[counted]):
        for _ in range(2):
            assert Parallel(batch_size=1)(delayed(str.upper)(counted) for _ in range(20)) == ["UNPICKLED"] * 20
    assert counted.pickled == 1
    assert job.n_scattered == 1


def test_workers_keep_one_read_only_array_for_all_their_tasks(job):
    array = numpy.arange(50_000.0)
    with parallel_backend("mpi", scatter=[array]):
        found = Parallel(batch_size=1)(delayed(identity_and_writeable)(array) for _ in range(20))
    assert len({identity for identity, _, _ in found}) <= 2
    assert {writeable for _, writeable, _ in found} == {False}
    assert {value for _, _, value in found} == {array.sum()}
    assert max(len(task[3]) + sum(len(buffer) for buffer in task[4]) for task in job.submitted) < 10_000


def test_objects_are_found_inside_other_arguments(job):
    counted = CountsPickling()
    with parallel_config(backend="mpi", scatter=[counted]):
        tasks = (delayed(unwrap)({"deep": [Holder(counted)], "i": i}) for i in range(5))
        assert Parallel()(tasks) == ["unpickled"] * 5
    assert counted.pickled == 1


def test_objects_are_found_in_the_globals_of_functions_that_go_by_value(job):
    counted = CountsPickling()
    with parallel_config(backend="mpi", scatter=[counted]):
        assert Parallel()(delayed(lambda: counted)() for _ in range(5)) == ["unpickled"] * 5
    assert counted.pickled == 1


def test_objects_that_are_not_scattered_stay_writable(job):
    array = numpy.zeros(50_000)
    found = Parallel(backend="mpi")(delayed(identity_and_writeable)(array) for _ in range(3))
    assert {writeable for _, writeable, _ in found} == {True}


def test_objects_are_freed_when_the_context_ends(job):
    with parallel_config(backend="mpi", scatter=[[1], [2]]):
        Parallel()(delayed(len)([]) for _ in range(3))
        assert len(job.objects) == 2
    gc.collect()
    assert job.objects == {}


def test_sequential_calls_in_a_context_do_not_keep_its_objects(job):
    with parallel_config(backend="mpi", scatter=[[1], [2]]):
        Parallel(n_jobs=1)(delayed(len)([]) for _ in range(3))
    assert job.objects == {}


def test_a_new_object_does_not_take_the_place_of_a_freed_one(job):
    for value in range(5):
        data = [value]
        with parallel_config(backend="mpi", scatter=[data]):
            assert Parallel()(delayed(list)(data) for _ in range(4)) == [[value]] * 4


@pytest.mark.skipif(JOBLIB < (1, 5), reason="joblib 1.5 passes backend parameters on")
def test_parallel_itself_takes_scatter(job):
    counted = CountsPickling()
    parallel = Parallel(backend="mpi", scatter=[counted])
    for _ in range(2):
        assert parallel(delayed(str.upper)(counted) for _ in range(5)) == ["UNPICKLED"] * 5
    assert counted.pickled == 1


def test_an_item_that_cannot_be_pickled_is_named_at_once(job):
    with (
        pytest.raises(TypeError, match=r"scatter\[1\] \(lock\) cannot be pickled"),
        parallel_config(backend="mpi", scatter=[[1], threading.Lock()]),
    ):
        pass


@pytest.mark.parametrize("scatter", [numpy.zeros(3), {"X": 1}, 5])
def test_something_else_than_a_list_is_refused_with_the_right_form(job, scatter):
    with (
        pytest.raises(TypeError, match=r"must be a list.*scatter=\[X, y\]"),
        parallel_config(backend="mpi", scatter=scatter),
    ):
        pass


def test_writing_to_a_scattered_array_says_which_option_is_meant(job):
    array = numpy.zeros(50_000)
    with parallel_config(backend="mpi", scatter=[array]), pytest.raises(ValueError, match="read-only") as caught:
        Parallel()(delayed(write)(array) for _ in range(2))
    notes = "".join(caught.value.__notes__)
    assert "scatter=[...]" in notes
    assert 'mmap_mode="c"' in notes


def test_the_parts_of_a_scattered_sparse_matrix_are_writable(job):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_matrix(numpy.ones((300, 300)))
    with parallel_config(backend="mpi", scatter=[matrix]):
        assert Parallel(n_jobs=2)(delayed(total)(matrix) for _ in range(1)) == [180_000]
