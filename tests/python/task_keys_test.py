"""Tests of `TaskKeys`: keys are equal for equal content in every process, and differ for any other content."""

import enum
import functools
import importlib
import json
import operator
import os
import subprocess
import sys
import threading

import numpy
import pytest

import joblib_mpi
from joblib_mpi.checkpoint import task_keys
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


def test_an_array_that_was_changed_has_another_key():
    keys = TaskKeys()
    for size in (3, 100_000):
        array = numpy.zeros(size)
        first = keys.key(len, (array,), {})
        array[1] = 1
        assert keys.key(len, (array,), {}) != first


def test_an_array_that_is_known_to_be_unchanged_is_hashed_once():
    known = object()
    keys = TaskKeys(unchanged=lambda begin, end: known)
    array = numpy.arange(100_000.0)
    first = keys.key(len, (array,), {})
    array[0] = 1  # a second hash would see the change
    assert keys.key(len, (array,), {}) == first
    known = object()
    second = keys.key(len, (array,), {})
    assert second != first
    identity = id(array)
    del array
    others = [numpy.full(100_000, float(value)) for value in range(4)]
    assert len({keys.key(len, (other,), {}) for other in others}) == 4, identity


def test_a_map_of_a_file_is_hashed_once(tmp_path):
    array = numpy.memmap(tmp_path / "data", float, "w+", shape=100)
    keys = TaskKeys()
    first = keys.key(len, (array,), {})
    array[0] = 1
    assert keys.key(len, (array,), {}) == first


def test_no_more_definitions_are_remembered_than_memory_is_for(monkeypatch):
    monkeypatch.setattr(task_keys, "_REMEMBERED", 10)
    keys = TaskKeys()
    first = keys.key(lambda: 0, (), {})
    for i in range(30):
        keys.key(len, (lambda: i,), {})  # noqa: B023
    assert len(keys._remembered) <= 10
    assert keys.key(lambda: 0, (), {})[1] == first[1]


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


MODULE = """
import functools
import importlib

def fit(x, n_iter=100, *, tol=0.1):
    return inner(x) * n_iter

def inner(x):
    return x + 1

def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

def repeated(times):
    return lambda function: logged(lambda *args: [function(*args) for _ in range(times)])

@logged
def wrapped(x, n_iter=100):
    return x * n_iter

@functools.lru_cache
def cached(x, n_iter=100):
    return x * n_iter

class Model:
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, x, n_iter=100):
        return x * n_iter

    @classmethod
    def make(cls, x):
        return cls(x)

    def __call__(self, x):
        return self.fit(x)

class Derived(Model):
    pass
"""

USES_OF_THE_MODULE = """
import functools, json, sys
sys.path.insert(0, {folder!r})
import models
import package_of_models
from models import Derived, Model, cached, fit, wrapped
from joblib_mpi.checkpoint.task_keys import TaskKeys

def calls_it(x):
    return fit(x)

def calls_it_by_module(x):
    return models.fit(x)

def calls_it_by_package(x):
    return package_of_models.models.fit(x)

def imports_it(x):
    from models import fit
    return fit(x)

def imports_it_from_a_package(x):
    from package_of_models.other import fit
    return fit(x)

functions = {{
    "imported": fit,
    "wrapped": wrapped,
    "cached": cached,
    "partial": functools.partial(fit, n_iter=3),
    "class": Model,
    "derived class": Derived,
    "bound method": Model(2.0).fit,
    "class method": Model.make,
    "callable": Model(2.0),
    "caller": calls_it,
    "caller by module": calls_it_by_module,
    "caller by package": calls_it_by_package,
    "importer": imports_it,
    "importer from a package": imports_it_from_a_package,
    "wrapped here": models.logged(fit),
}}
print(json.dumps({{name: TaskKeys().key(function, (), {{}})[0] for name, function in functions.items()}}))
"""


@pytest.fixture
def keys_with_module(tmp_path):
    """Return a function that gives the keys of all uses of a module with this content, computed by a new process."""
    (tmp_path / "package_of_models").mkdir()
    (tmp_path / "package_of_models" / "__init__.py").write_text("from . import models\n")

    def keys(source):
        for file in ("models.py", "package_of_models/models.py", "package_of_models/other.py"):
            (tmp_path / file).write_text(source)
        program = USES_OF_THE_MODULE.format(folder=str(tmp_path))
        # Without files of compiled code: their age is known to the second only.
        command = [sys.executable, "-B", "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return keys


def test_imported_functions_have_equal_keys_in_every_process_regardless_of_comments(keys_with_module):
    first = keys_with_module(MODULE)
    assert keys_with_module(MODULE) == first
    assert keys_with_module(MODULE.replace("def inner", "# a comment\n\ndef inner")) == first
    assert len(set(first.values())) == len(first)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("n_iter=100", "n_iter=200"),
        ("tol=0.1", "tol=0.2"),
        ("x + 1", "x + 2"),
        ("x * n_iter", "x / n_iter"),
        ("alpha=1.0", "alpha=2.0"),
    ],
)
def test_a_change_anywhere_in_a_module_counts_for_each_use_of_it(keys_with_module, before, after):
    first = keys_with_module(MODULE)
    changed = keys_with_module(MODULE.replace(before, after))
    assert [name for name in first if first[name] == changed[name]] == []


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Return an imported module that is in no other test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"models_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    yield importlib.import_module(name)
    sys.modules.pop(name, None)


def test_defaults_and_closures_of_imported_functions_count(models):
    def key():
        return TaskKeys().key(models.fit, (), {})[0]

    first = key()
    models.fit.__defaults__ = (200,)
    second = key()
    models.fit.__kwdefaults__ = {"tol": 0.5}
    third = key()
    models.fit.__defaults__ = (100,)
    assert len({first, second, third, key()}) == 4

    keys = set()
    for times in (2, 3):
        models.made = models.repeated(times)(models.inner)
        models.made.__qualname__ = "made"
        models.made.__module__ = models.__name__
        keys.add(TaskKeys().key(models.made, (), {})[0])
    assert len(keys) == 2


def test_what_has_no_content_in_an_imported_functions_closure_is_no_error(models):
    models.locked = models.repeated(threading.Lock())(models.inner)
    models.locked.__qualname__ = "locked"
    models.locked.__module__ = models.__name__
    assert TaskKeys().key(models.locked, (), {}) == TaskKeys().key(models.locked, (), {})


def test_what_calls_do_to_an_imported_function_does_not_count(models):
    first = TaskKeys().key(models.cached, (), {})
    models.cached(3)
    assert TaskKeys().key(models.cached, (), {}) == first


def test_attributes_of_a_function_of_the_program_count():
    def function():
        return function.n_iter

    function.n_iter = 100
    first = key_of(function=function)
    function.n_iter = 200
    assert key_of(function=function) != first


def test_attributes_of_an_enumerations_members_count():
    names = {"__name__": "__main__", "enum": enum}
    exec("class Colour(enum.Enum):\n  red = 1\ndef tag(): return Colour.red.tag", names)
    keys = set()
    for tag in (None, 1, "a"):
        names["Colour"].red.tag = tag
        keys.add(key_of(function=names["tag"]))
    assert len(keys) == 3


def test_what_a_cached_function_of_the_program_calls_and_its_attributes_count():
    def cached(function, **attributes):
        cache = functools.wraps(len)(functools.lru_cache(function))
        vars(cache).update(attributes)
        return key_of(function=cache)

    double, triple = functools.partial(operator.mul, 2), functools.partial(operator.mul, 3)
    first = cached(double)
    assert cached(double) == first
    assert first not in (cached(triple), cached(double, unit="m"))


def test_a_cached_callable_without_a_name_has_a_key():
    double, triple = functools.partial(operator.mul, 2), functools.partial(operator.mul, 3)
    first = key_of(function=functools.cache(double))
    assert key_of(function=functools.cache(double)) == first
    assert key_of(function=functools.cache(triple)) != first


def test_compiled_extensions_count_with_their_file(tmp_path, monkeypatch):
    import _json

    path = tmp_path / "extension.so"
    path.write_bytes(b"first")
    monkeypatch.setattr(_json.__spec__, "origin", str(path))
    first = key_of(function=_json.scanstring)
    path.write_bytes(b"second build")
    monkeypatch.setattr("joblib_mpi.checkpoint.task_keys._imported", {})  # as in another process
    assert key_of(function=_json.scanstring) != first


def test_extra_content_counts_and_none_is_none():
    plain = TaskKeys().key(len, (1,), {})
    assert TaskKeys(None).key(len, (1,), {}) == plain
    with_extra = [TaskKeys(extra).key(len, (1,), {}) for extra in (1, 2, "1", {"data": "v1"}, numpy.arange(3))]
    assert len({function for function, _ in [plain, *with_extra]}) == 6
    assert {arguments for _, arguments in [plain, *with_extra]} == {plain[1]}
    assert TaskKeys({"a": 1, "b": 2}).key(len, (1,), {}) == TaskKeys({"b": 2, "a": 1}).key(len, (1,), {})


def test_an_extra_that_cannot_be_pickled_is_refused_by_name():
    with pytest.raises(joblib_mpi.CheckpointError, match=r"checkpoint_key=.*lock.* has no content"):
        TaskKeys(threading.Lock())
