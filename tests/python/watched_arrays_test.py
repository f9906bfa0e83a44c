"""Tests of the arrays that are watched because they are too large to be copied."""

import gc
import weakref

import numpy
import pytest
from numpy.lib.stride_tricks import as_strided

from joblib_mpi.calls.watched_arrays import Take, WatchedArrays
from joblib_mpi.sharing.hashed_memory import BLOCK_BYTES, ChangedContentError, HashedMemory
from joblib_mpi.sharing.regions import flat_bytes

N_BLOCKS = 20


class Watch:
    """A `WatchedArrays` whose comparisons take a second each, and whose time goes on only by them."""

    def __init__(self):
        self.now = 0.0
        self.n_clocks = 0
        self.outstanding = True
        self.arrays = WatchedArrays(lambda indices: self.outstanding, self.clock)
        self.take = Take(0)

    def clock(self):
        return self.now

    def add(self, *arrays):
        for array in arrays:
            self.arrays.add(array, flat_bytes(array), self.take)
        self.arrays.hash_added()

    def close_take(self):
        self.take.end, self.take.is_open = 10, False
        self.take = Take(10)


@pytest.fixture
def watch(monkeypatch):
    watch = Watch()
    compare = HashedMemory.has_changed

    def compare_for_a_second(memory, *place):
        watch.now += 1
        return compare(memory, *place)

    monkeypatch.setattr(HashedMemory, "has_changed", compare_for_a_second)
    return watch


def large():
    return numpy.zeros(N_BLOCKS * BLOCK_BYTES, numpy.uint8)


def test_a_new_array_is_compared_as_a_whole_at_the_next_look(watch):
    array = large()
    watch.add(array)
    array[-1] = 1
    with pytest.raises(ChangedContentError, match=r"an array of 1310720 bytes \(uint8, shape \(1310720,\)\)"):
        watch.arrays.look()


def test_an_array_of_several_tasks_is_known_to_come_again(watch):
    array = large()
    watch.add(array, array)  # both of one task
    (watched,) = watch.arrays.by_place.values()
    assert not watched.memory.comes_again
    watch.add(array)
    assert watched.memory.comes_again


def test_an_array_that_comes_again_is_compared_as_a_whole(watch):
    array, other = large(), large()
    watch.add(array)
    watch.arrays.look()
    watch.add(other)
    array[-1] = 1
    watch.arrays.look()  # compares the other
    with pytest.raises(ChangedContentError):
        watch.add(array)


def test_later_a_look_compares_a_block_and_each_block_has_its_turn(watch):
    array = large()
    watch.add(array)
    watch.arrays.look()
    watch.add(array)
    array[7 * BLOCK_BYTES + 5] = 1
    for _ in range(7):
        watch.arrays.look()
    with pytest.raises(ChangedContentError):
        watch.arrays.look()
    assert watch.now == 1


def test_all_bytes_are_compared_when_that_takes_a_small_part_of_the_time(watch):
    array = large()
    watch.add(array)
    watch.arrays.look()
    array[-1] = 1
    watch.arrays.look()
    watch.now += 18
    watch.arrays.look()
    watch.now += 1
    with pytest.raises(ChangedContentError):
        watch.arrays.look()


def test_all_bytes_are_compared_at_the_end(watch):
    arrays = [large() for _ in range(10)]
    watch.add(*arrays)
    watch.arrays.look()
    arrays[7][-1] = 1
    with pytest.raises(ChangedContentError):
        watch.arrays.look_at_all()


def test_an_array_that_is_filled_again_is_found_among_many(watch):
    arrays = [large() for _ in range(50)]
    watch.add(*arrays)
    watch.arrays.look()
    watch.add(*arrays)
    for array in arrays:
        array[:] = 1
        with pytest.raises(ChangedContentError):
            watch.arrays.look()
            watch.add(array)
        array[:] = 0


def test_an_array_whose_tasks_are_done_may_change(watch):
    array = large()
    watch.add(array)
    begin = array.__array_interface__["data"][0]
    before = watch.arrays.memory(begin, begin + array.nbytes)
    watch.close_take()
    watch.outstanding = False
    array[-1] = 1
    watch.arrays.look()
    assert watch.arrays.by_place == {}
    watch.add(array)
    assert watch.arrays.memory(begin, begin + array.nbytes).key != before.key
    watch.arrays.look()


def test_done_arrays_are_dropped_and_others_are_not(watch):
    array, later = large(), large()
    watch.add(array)
    watch.close_take()
    watch.add(later)
    watch.outstanding = False
    watch.arrays.drop_done()
    assert len(watch.arrays.by_place) == 1
    later[-1] = 1
    with pytest.raises(ChangedContentError):
        watch.arrays.look()


def test_no_array_is_kept_alive(watch):
    arrays = [large() for _ in range(20)]
    kept = list(map(weakref.ref, arrays))
    watch.add(*arrays)
    arrays.clear()
    gc.collect()
    assert [array() for array in kept] == [None] * 20
    watch.arrays.look()
    assert watch.arrays.by_place == {}


def test_another_array_in_the_memory_of_one_that_is_gone_is_a_new_one(watch):
    memory = bytearray(N_BLOCKS * BLOCK_BYTES)
    watch.add(numpy.frombuffer(memory, numpy.uint8))
    memory[5] = 1
    watch.add(numpy.frombuffer(memory, numpy.uint8))
    watch.arrays.look()


def test_an_array_that_only_its_task_holds_is_not_watched(watch):
    task = (large(),)
    watch.arrays.add(task[0], flat_bytes(task[0]), watch.take)
    watch.arrays.hash_added()
    assert watch.arrays.by_place == {}


@pytest.mark.parametrize(
    "hold",
    [lambda array: array, lambda array: array[3:], memoryview, lambda array: [array]],
    ids=["name", "view", "memoryview", "list"],
)
def test_an_array_that_something_else_holds_is_watched(watch, hold):
    task = (large(),)
    other = hold(task[0])
    watch.arrays.add(task[0], flat_bytes(task[0]), watch.take)
    watch.arrays.hash_added()
    assert len(watch.arrays.by_place) == 1
    assert other is not None


@pytest.mark.parametrize("make", [lambda: numpy.frombuffer(bytearray(80)), lambda: as_strided(large(), (10,), (1,))])
def test_memory_that_an_array_does_not_own_is_watched(watch, make):
    task = (make(),)
    watch.arrays.add(task[0], flat_bytes(task[0]), watch.take)
    watch.arrays.hash_added()
    assert len(watch.arrays.by_place) == 1


def test_views_of_one_memory_are_watched_once(watch):
    array = large()
    watch.add(array, array.view("i4"), array.reshape(2, -1), array[:])
    assert len(watch.arrays.by_place) == 1


@pytest.mark.parametrize("size", [1, 100, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7])
def test_hashed_memory_notices_a_change_of_each_byte(size):
    array = numpy.zeros(size, numpy.uint8)
    memory = HashedMemory(memoryview(array))
    assert memory.key == HashedMemory(memoryview(array.copy())).key
    assert not memory.has_changed()
    for place in {0, size // 2, size - 1}:
        array[place] = 1
        assert memory.has_changed()
        assert memory.has_changed(memory.begin + place, memory.begin + place + 1)
        assert HashedMemory(memoryview(array)).key != memory.key
        n_blocks = -(-size // BLOCK_BYTES)
        assert [memory.glance() for _ in range(n_blocks)].count(True) == 1
        array[place] = 0
    assert not memory.has_changed()
