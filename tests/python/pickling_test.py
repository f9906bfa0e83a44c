"""Tests of `pickling`: what is sent by reference, by value, out of band, or as the id of a scattered object."""

import math
import pickle
import sys
import threading
import types

import cloudpickle
import numpy
import pytest

from joblib_mpi.payloads.pickling import OUT_OF_BAND_BYTES, Pickler
from joblib_mpi.payloads.shared_pickling import ObjectSharingPickler, loads
from joblib_mpi.sharing.call_buffers import CallBuffers
from joblib_mpi.sharing.shared_buffers import SharedBuffers


def module_function(x):
    return x + 1


NO_BUFFERS = CallBuffers(SharedBuffers(None, 0, 0), math.inf)


class Unshared:
    """A lookup of shared objects for pickles that refer to none."""


class Resolved:
    def resolve(self, object_id, private):
        return f"object {object_id}", private


unshared = Unshared()


def test_importable_functions_go_by_reference():
    module = types.ModuleType("importable_here")
    module.double = types.FunctionType((lambda x: 2 * x).__code__, {"__name__": "importable_here"}, "double")
    module.double.__module__ = "importable_here"
    module.double.__qualname__ = "double"
    sys.modules["importable_here"] = module
    try:
        head, _ = Pickler().dumps([module.double] * 2)
        assert b"importable_here" in head
        assert b"double" in head
        assert len(head) < 100
        assert loads(head, (), unshared) == [module.double] * 2
    finally:
        del sys.modules["importable_here"]


def test_what_goes_by_value_keeps_the_name_of_its_file_for_tracebacks():
    def outer():
        return lambda: 0

    head, _ = Pickler().dumps(outer)
    arrived = loads(head, (), unshared)
    assert arrived.__code__.co_filename == __file__
    assert arrived().__code__.co_filename == __file__


@pytest.mark.parametrize("by_value", ["lambda", "closure", "local class", "registered module"])
def test_what_a_worker_cannot_import_goes_by_value(by_value):
    offset = 1
    if by_value == "lambda":
        function = lambda x: x + 1  # noqa: E731
    elif by_value == "closure":

        def function(x):
            return x + offset

    elif by_value == "local class":

        class Adder:
            def __init__(self, x):
                self.x = x

            def __add__(self, other):
                return self.x + other

        def function(x):
            return Adder(x) + 1

    else:
        function = module_function
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
    try:
        head, buffers = Pickler().dumps({"nested": [function]})
        assert pickle.loads(head, buffers=buffers)["nested"][0](2) == 3
        assert pickle.loads(head, buffers=buffers)["nested"][0] is not function
    finally:
        if by_value == "registered module":
            cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_a_class_that_comes_back_is_the_one_that_was_sent():
    class Local:
        pass

    head, _ = Pickler().dumps(Local())
    assert type(loads(head, (), unshared)) is Local


@pytest.mark.parametrize(("n_bytes", "n_buffers"), [(OUT_OF_BAND_BYTES - 8, 0), (OUT_OF_BAND_BYTES, 1)])
def test_only_large_buffers_leave_the_stream(n_bytes, n_buffers):
    array = numpy.arange(n_bytes // 8)
    head, buffers = Pickler().dumps(array)
    assert len(buffers) == n_buffers
    received = [bytearray(buffer) for buffer in buffers]
    copy = loads(head, received, unshared)
    assert numpy.array_equal(copy, array)
    assert copy.flags.writeable


def test_buffers_are_the_memory_of_the_array_itself():
    array = numpy.zeros((300, 300), order="F")
    _, buffers = Pickler().dumps(array)
    array[0, 0] = 7
    assert memoryview(buffers[0]).cast("B").cast("d")[0] == 7
    assert buffers[0].c_contiguous


def test_in_band_keeps_everything_in_the_stream():
    array = numpy.arange(OUT_OF_BAND_BYTES)
    head, buffers = Pickler().dumps(array, in_band=True)
    assert len(buffers) == 0
    assert loads(head, (), unshared).flags.writeable


def test_a_pickler_works_after_a_failure():
    pickler = Pickler()
    with pytest.raises(TypeError):
        pickler.dumps(["before", numpy.zeros(OUT_OF_BAND_BYTES), threading.Lock()])
    head, buffers = pickler.dumps(["after"])
    assert (loads(head, buffers, unshared), len(buffers)) == (["after"], 0)


def test_a_pickler_keeps_nothing_that_it_has_pickled():
    array = numpy.zeros(3)
    before = sys.getrefcount(array)
    pickler = Pickler()
    pickler.dumps([array])
    assert sys.getrefcount(array) == before


def test_shared_objects_travel_as_their_id_and_are_reported():
    shared, other = ["shared"], ["other"]
    pickler = ObjectSharingPickler({id(shared): 17, id(other): 18}, NO_BUFFERS)
    head, _ = pickler.dumps({"a": (shared, ["unshared"])})
    assert pickler.needed == {17}
    assert b"unshared" in head
    assert loads(head, (), Resolved()) == {"a": (("object 17", False), ["unshared"])}
    head, _ = pickler.dumps("nothing")
    assert pickler.needed == set()
    assert loads(head, (), unshared) == "nothing"
