"""Tests of the functions that an executor keeps: each is used until a task has changed it, in any way."""

import gc
import sys
import types
import warnings
import weakref

import numpy as np
import pytest

from joblib_mpi.payloads import main_names
from joblib_mpi.payloads.immutability import hands_over_what_it_holds
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
    kept.keep(b"pickle", function, 6)
    assert kept.find(b"pickle") is function
    function.n = 1
    assert kept.find(b"pickle") is None
    kept.keep(1, script_function(), 2**20)
    kept.make_room(b"pickle", 6)
    kept.keep(b"pickle", function, 6)
    assert kept.find(b"pickle") is None
    assert len(kept) == 1
    kept.clear()
    kept.keep(b"pickle", function, 6)
    assert kept.find(b"pickle") is function


@pytest.mark.parametrize(
    ("body", "is_watched"),
    [
        ("return inner() + n", False),
        ("return [inner() for _ in range(len(text))]", False),
        ("return list(map(inner, text))", True),
        ("return np.dot(array, array)", True),
        ("return array.sum()", False),
        ("return both[0]()", True),
    ],
)
def test_only_functions_that_hand_over_what_they_hold_are_watched(body, is_watched):
    names = {"__name__": "__main__", "n": 1, "text": "text", "np": np, "array": np.ones(3)}
    exec(f"def inner(*_): return 1\nboth = (inner, n)\ndef function(): {body}\ndef calls(): return function()", names)
    assert hands_over_what_it_holds(names["function"]) == is_watched
    assert hands_over_what_it_holds(names["calls"]) == is_watched


def test_functions_of_modules_are_kept_as_they_are(monkeypatch):
    kept = KeptFunctions()
    for function in (grow, len, types.SimpleNamespace):
        kept.keep(1, function, 1)
        monkeypatch.setattr(sys.modules[__name__], "marker", 1, raising=False)
        assert kept.find(1) is function


def script_function(name="function", **variables):
    names = {"__name__": "__main__", **variables}
    exec(f"def inner(): return {name!r}\ndef {name}(): return inner()", names)
    return names[name]


@pytest.fixture
def main(monkeypatch):
    """Return the ``__main__`` of an executor."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(main_names, "_shows", True)
    monkeypatch.setattr(main_names, "_shown", {})
    return main


def test_functions_of_limited_size_are_kept_the_last_used_longest():
    kept = KeptFunctions()
    kept.limit_bytes = 100
    functions = {number: script_function() for number in range(5)}

    def load(number, nbytes):
        kept.make_room(number, nbytes)
        kept.keep(number, functions[number], nbytes)

    for number in range(3):
        load(number, 30)
    assert kept.find(0) is functions[0]
    load(3, 30)
    assert [kept.find(number) for number in range(4)] == [functions[0], None, functions[2], functions[3]]
    load(4, 1000)  # more than the limit
    assert kept.functions() == [functions[4]]
    load(0, 30)
    assert kept.functions() == [functions[0]]


def test_a_smaller_limit_holds_from_the_next_function_on():
    kept = KeptFunctions()
    for number in range(3):
        kept.keep(number, script_function(), 30)
    kept.limit_bytes = 50
    kept.make_room(3, 20)
    assert len(kept) == 1


def test_nothing_keeps_a_function_that_was_dropped(main):
    kept = KeptFunctions()
    kept.limit_bytes = 100
    functions = [script_function("first"), script_function("second")]
    ends = [weakref.ref(function) for function in functions]
    while functions:
        kept.make_room(len(functions), 80)
        kept.keep(len(functions), functions.pop(0), 80)
        main_names.begin_task()
    gc.collect()
    assert [end() is None for end in ends] == [True, False]
    assert set(vars(main)) & {"first", "second"} == {"second"}
    kept.clear()
    gc.collect()
    assert ends[1]() is None


def test_a_function_that_is_used_again_is_the_one_in_main(main):
    kept = KeptFunctions()
    versions = [script_function(), script_function()]
    for number, version in enumerate(versions):
        main_names.begin_task()
        main_names.show(version)
        kept.keep(number, version, 1)
    for number in (0, 1, 1, 0):
        main_names.begin_task()
        assert kept.find(number) is main.function is versions[number]
        assert main.inner is main.function.__globals__["inner"]
    main_names.begin_task()
    main_names.show(script_function())  # another one that only this task has
    main_names.begin_task()
    assert kept.find(0) is main.function
