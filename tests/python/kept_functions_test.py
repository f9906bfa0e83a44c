"""Tests of the functions that an executor keeps: each is used until a task has changed it, in any way."""

import sys
import types
import warnings

import numpy as np
import pytest

from joblib_mpi.payloads.kept_functions import HeldState, KeptFunctions

SOURCE = """
scale, shape = 2, (3, 1)
def inner(x, offset=1, *, factor=None): return x * scale + offset
def outer():
    n, later = 5, None
    del later
    def function(x: int): return inner(x) + n + array[0] + len(functions) + (later if x > 9 else 0)
    return function
functions = (inner, len)
function = outer()
"""


@pytest.fixture
def function():
    """Return a function as an executor has loaded it: its variables are its own."""
    variables = {"__name__": "__main__", "array": np.ones((2, 3)), "np": np}
    exec(SOURCE, variables)
    return variables["function"]


def grow(array):
    array.shape = -1


CHANGES = {
    "a variable": lambda f: f.__globals__.update(scale=3),
    "a variable to an equal value": lambda f: f.__globals__.update(scale=2.0),
    "a new variable": lambda f: f.__globals__.update(scale2=3),
    "a variable less": lambda f: f.__globals__.pop("shape"),
    "one variable for another": lambda f: f.__globals__.update(other=f.__globals__.pop("scale")),
    "an attribute": lambda f: setattr(f, "n", 1),
    "an attribute of what it calls": lambda f: setattr(f.__globals__["inner"], "n", 1),
    "all attributes": lambda f: setattr(f, "__dict__", {"n": 1}),
    "an annotation": lambda f: f.__annotations__.update(y=int),
    "the annotations": lambda f: setattr(f, "__annotations__", {}),
    "a default": lambda f: setattr(f.__globals__["inner"], "__defaults__", (2,)),
    "a keyword's default": lambda f: f.__globals__["inner"].__kwdefaults__.update(factor=1),
    "the code": lambda f: setattr(f, "__code__", f.__code__.replace(co_name="other")),
    "the name": lambda f: setattr(f, "__name__", "other"),
    "a variable of the enclosing function": lambda f: set_cell(f, "n", 6),
    "no value of the enclosing function": lambda f: set_cell(f, "n"),
    "the shape of an array": lambda f: grow(f.__globals__["array"]),
    "the type of an array": lambda f: setattr(f.__globals__["array"], "dtype", np.int64),
    "an array": lambda f: f.__globals__.update(array=f.__globals__["array"].copy()),
}


def set_cell(function, name, *value):
    cell = dict(zip(function.__code__.co_freevars, function.__closure__, strict=True))[name]
    if value:
        cell.cell_contents = value[0]
    else:
        del cell.cell_contents


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # numpy no longer likes the shape to be set
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(function, change):
    state = HeldState(function)
    assert state.is_unchanged()
    CHANGES[change](function)
    assert not state.is_unchanged()


def test_calls_change_nothing(function):
    state = HeldState(function)
    function(1)
    assert state.is_unchanged()


def test_the_first_warning_is_no_change():
    variables = {"__name__": "__main__", "warnings": warnings, "np": np}
    exec("def warn(): warnings.warn('a'); return np.float64(1) / np.float64(0)", variables)
    state = HeldState(variables["warn"])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("default")
        variables["warn"]()
    assert len(seen) == 2
    assert variables["__warningregistry__"]
    assert state.is_unchanged()


def test_a_function_that_refers_to_itself_is_looked_at_once():
    variables = {"__name__": "__main__"}
    exec("def one(): return two\ndef two(): return one\none.two, one.both = two, (one, two)", variables)
    state = HeldState(variables["one"])
    assert state.is_unchanged()
    variables["two"].n = 1
    assert not state.is_unchanged()


def test_values_that_cannot_be_compared_are_a_change(function):
    inner = function.__globals__["inner"]
    inner.__defaults__ = (np.ones(2),)
    state = HeldState(function)
    inner.__defaults__ = (np.ones(2),)
    assert not state.is_unchanged()


def test_a_function_that_was_changed_is_dropped_and_not_kept_again(function):
    kept = KeptFunctions()
    kept.keep(b"pickle", function)
    assert kept.find(b"pickle") is function
    function.n = 1
    assert kept.find(b"pickle") is None
    kept.keep(b"pickle", function)
    assert kept.find(b"pickle") is None
    assert len(kept) == 0
    kept.clear()
    kept.keep(b"pickle", function)
    assert kept.find(b"pickle") is function


def test_functions_of_modules_are_kept_as_they_are(monkeypatch):
    kept = KeptFunctions()
    for function in (grow, len, types.SimpleNamespace):
        kept.keep(1, function)
        monkeypatch.setattr(sys.modules[__name__], "marker", 1, raising=False)
        assert kept.find(1) is function
