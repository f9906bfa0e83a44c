"""Tests of memory that is found again by its addresses."""

import numpy as np

from joblib_mpi.sharing.regions import Region, RegionIndex


class Memory(Region):
    """A region of chosen addresses, which a test may give to another array."""

    def __init__(self, begin, end):
        self.begin, self.end, self.alive = begin, end, True

    def is_alive(self):
        return self.alive


def index_of(*places):
    index, regions = RegionIndex(), [Memory(begin, end) for begin, end in places]
    for region in regions:
        index.add(region)
    return index, regions


def test_a_region_is_found_by_what_is_inside_it():
    index, [low, high] = index_of((100, 200), (150, 300))
    assert [index.find(*place) for place in ((100, 200), (150, 200), (120, 130), (150, 300), (299, 300))] == [
        low,
        high,
        low,
        high,
        high,
    ]
    assert [index.find(*place) for place in ((99, 120), (100, 201), (150, 301), (300, 301), (0, 50))] == [None] * 5


def test_a_region_takes_the_place_of_those_inside_it():
    index, [*_, whole] = index_of((100, 120), (130, 140), (140, 200), (100, 200))
    assert index.find(130, 140) is whole
    index.remove(whole)
    assert index.find(130, 140) is None


def test_a_region_of_garbage_is_never_found_and_hides_no_other():
    index, [old] = index_of((100, 400))
    old.alive = False
    inside = Memory(150, 200)
    index.add(inside)
    after = Memory(200, 500)
    index.add(after)
    assert [index.find(*place) for place in ((160, 170), (120, 130), (250, 300))] == [inside, None, after]
    index.remove(old)  # is gone, and so nothing is removed
    assert index.find(150, 200) is inside


def test_regions_of_garbage_do_not_stay():
    index = RegionIndex()
    for number in range(10_000):
        region = Memory(number * 100, number * 100 + 50)
        index.add(region)
        region.alive = False
    assert len(index._regions) <= 512


def test_regions_of_arrays_are_those_of_their_memory():
    values = np.arange(100)
    index = RegionIndex()
    index.add(Region(memoryview(values).cast("B")))
    part = Region(memoryview(values[10:20]).cast("B"))
    assert index.find(part.begin, part.end).end - part.end == 80 * values.itemsize
