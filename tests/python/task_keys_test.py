"""Tests of `TaskKeys`: keys are equal for equal content in every process, and differ for any other content."""

import functools
import json
import os
import subprocess
import sys
import threading

import numpy
import pytest

import joblib_mpi
from joblib_mpi.checkpoint.task_keys import TaskKeys

pytestmark = pytest.mark.skipif(getattr(joblib_mpi._core, "is_double", False), reason="joblib_mpi._core is not built")


def key_of(*args, function=len, **kwargs):
    return TaskKeys().key(function, args, kwargs)


PROGRAM = """
import collections, dataclasses, enum, functools, json, sys
import numpy
from joblib_mpi.checkpoint.task_keys import TaskKeys
{blank_lines}
SCALE = {scale}
NAMES = {{"alpha", "beta", "gamma", "delta"}}

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Point:
    x: float
    y: float = 2.0

    def norm(self):
        return (self.x ** 2 + self.y ** 2) ** 0.5

Pair = collections.namedtuple("Pair", "a b")

def recurse(n):
    return 1 if n == 0 else n * recurse(n - 1)

def scaled(x):
    return {body}

def outer(factor):
    def inner(x):
        return {{name: scaled(x) * factor for name in NAMES if name in {{"alpha", "beta"}}}}
    return inner

arguments = {{
    "set": {{"one", "two", "three", 4, 5.0, None}},
    "frozenset": frozenset(["p", "q", "r", "s"]),
    "dict": {{name: name for name in NAMES}},
    "mixed": {{1: "a", (2, "b"): "c", None: "d"}},
    "array": numpy.arange(12.0).reshape(3, 4),
    "objects": numpy.array(["a", None, {{"x", "y"}}], dtype=object),
    "point": Point(1.0),
    "pair": Pair(1, "two"),
    "colour": Colour.RED,
    "partial": functools.partial(scaled, x=1),
    "method": Point(3.0).norm,
    "class": Point,
}}
keys = [TaskKeys().key(len, (value,), {{}}) for value in arguments.values()]
keys += [TaskKeys().key(function, (), {{}}) for function in (scaled, outer(2), recurse, lambda x: x, Point)]
print(json.dumps(keys))
"""


def keys_of_another_process(scale=3, body="x * SCALE", blank_lines="", seed="0"):
    program = PROGRAM.format(scale=scale, body=body, blank_lines=blank_lines)
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_keys_do_not_depend_on_the_process_the_order_of_sets_or_the_line():
    first = keys_of_another_process()
    assert keys_of_another_process(seed="12345", blank_lines="\n\n# a comment\n") == first
    assert len({tuple(key) for key in first}) == len(first)


def test_the_code_of_a_function_and_what_it_refers_to_count():
    first = keys_of_another_process()
    n_arguments = len(first) - 5
    for other in (keys_of_another_process(body="x + SCALE"), keys_of_another_process(scale=4)):
        changed = [index for index, (a, b) in enumerate(zip(first, other, strict=True)) if a != b]
        # The partial of `scaled`, `scaled` itself, and `inner`, which calls it.
        assert changed == [9, n_arguments, n_arguments + 1]


def test_equal_contents_have_one_key_whether_or_not_they_are_one_object():
    text = "".join(["in", "terned"])
    array = numpy.arange(3)
    assert key_of("interned", text, b"ab", array, array) == key_of(text, "interned", b"ab", array, array.copy())
    assert key_of(a=1, b=2) == key_of(b=2, a=1)


VALUES = [
    None,
    0,
    0.0,
    -0.0,
    False,
    "",
    b"",
    (),
    [],
    {},
    set(),
    frozenset(),
    numpy.zeros(0),
    numpy.zeros(3),
    numpy.zeros((3, 1)),
    numpy.zeros(3, "f4"),
    numpy.zeros(3, ">f8"),
    numpy.zeros((2, 3)),
    numpy.zeros((2, 3), order="F"),
    numpy.array(1.5),
    numpy.float64(1.5),
    numpy.array([1, 2], dtype="datetime64[s]"),
    numpy.array([1, 2], dtype="timedelta64[s]"),
    numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("c", "f8")]),
    numpy.array([None, 1], dtype=object),
    numpy.array([numpy.nan]),
    numpy.array([0x7FF8000000000001], "u8").view("f8"),
    numpy.ma.masked_array([1, 2], [0, 1]),
    numpy.ma.masked_array([1, 2], [1, 0]),
    functools.partial(len, 1),
    functools.partial(len, 2),
    len,
    "len".upper,
    lambda: 1,
    lambda: 2,
]


def test_different_contents_have_different_keys():
    keys = [key_of(value) for value in VALUES]
    assert len({arguments for _, arguments in keys}) == len(VALUES)
    assert len({function for function, _ in keys}) == 1


def test_views_count_with_what_they_show():
    base = numpy.arange(20_000.0)
    assert key_of(base[::2]) == key_of(base[::2].copy())
    assert key_of(base[::2]) != key_of(base[1::2])
    assert key_of(base.view()) == key_of(base)


def test_a_large_array_is_hashed_once_as_long_as_it_lives():
    keys = TaskKeys()
    array = numpy.arange(100_000.0)
    first = keys.key(len, (array,), {})
    array[0] = 1  # a second hash would see the change
    assert keys.key(len, (array,), {}) == first
    identity = id(array)
    del array
    others = [numpy.full(100_000, float(value)) for value in range(4)]
    assert len({keys.key(len, (other,), {}) for other in others}) == 4, identity


def test_estimators_and_frames_have_keys():
    linear = pytest.importorskip("sklearn.linear_model")
    assert key_of(linear.Ridge(alpha=1)) == key_of(linear.Ridge(alpha=1))
    assert key_of(linear.Ridge(alpha=1)) != key_of(linear.Ridge(alpha=2))
    sparse = pytest.importorskip("scipy.sparse")
    assert key_of(sparse.eye(5, format="csr")) == key_of(sparse.eye(5, format="csr"))
    assert key_of(sparse.eye(5, format="csr")) != key_of(sparse.eye(6, format="csr"))


def cyclic_list():
    value = []
    value.append(value)
    return value


def cyclic_dict():
    value = {}
    value["self"] = value
    return value


def test_what_refers_to_itself_has_a_key():
    assert key_of(cyclic_list()) == key_of(cyclic_list())
    assert key_of(Node("a")) == key_of(Node("a")) != key_of(Node("b"))


class Node:
    def __init__(self, name):
        self.name = name
        self.children = [self]


@pytest.mark.parametrize("value", [threading.Lock(), cyclic_dict(), (i for i in "ab")])
def test_what_has_no_content_is_refused_by_name(value):
    with pytest.raises(
        joblib_mpi.CheckpointError, match=r'argument of task "len" has no content that a checkpoint could compare'
    ):
        key_of(value)
