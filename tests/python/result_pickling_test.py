"""Tests of results as bytes: large arrays are kept out of the stream, and described beside it."""

import pickle

import numpy as np
import pytest

from joblib_mpi.payloads.result_pickling import Layout, ResultPickler

STRUCTURE = [("x", "<i4"), ("y", "<c16", (3,))]


@pytest.mark.parametrize(
    ("array", "layout"),
    [
        (np.zeros((100, 200)), Layout("<f8", (100, 200))),
        (np.zeros((100, 200), order="F"), Layout("<f8", (100, 200), True)),
        (np.zeros((100, 200)).T, Layout("<f8", (200, 100), True)),
        (np.zeros((300, 200))[::2], Layout("<f8", (150, 200))),
        (np.zeros(20_000, ">i8"), Layout(">i8", (20_000,))),
        (np.zeros(100_000, bool), Layout("|b1", (100_000,))),
        (np.zeros(2000, STRUCTURE), Layout(str(STRUCTURE), (2000,))),
    ],
)
def test_arrays_say_how_they_are_to_be_read(array, layout):
    pickler = ResultPickler()
    for _ in range(2):
        head, buffers = pickler.dumps([{"deep": array}])
        assert len(head) < 1000
        assert pickler.layouts(buffers) == [layout]
        assert np.array_equal(pickle.loads(head, buffers=buffers)[0]["deep"], array)


def test_other_buffers_are_opaque():
    pickler = ResultPickler()
    _, buffers = pickler.dumps(pickle.PickleBuffer(bytearray(100_000)))
    assert pickler.layouts(buffers) == [Layout()]


@pytest.mark.parametrize(
    "value", [np.zeros(100), np.array([1, None], dtype=object), np.zeros((0, 5)), np.zeros(20_000, "M8[s]")]
)
def test_small_arrays_and_those_without_a_buffer_stay_in_the_stream(value):
    head, buffers = ResultPickler().dumps(value)
    assert len(buffers) == 0
    assert pickle.loads(head).shape == value.shape
