"""Tests of which functions an executor may keep between tasks."""

import copy
import datetime
import functools
import inspect
import logging
import math
import operator
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from joblib_mpi.payloads.immutability import holds_nothing_mutable

NUMBER, TEXT, PAIR, PATTERN, PATH = 3, "text", (1, ("a", 2.5)), re.compile("a"), Path("a")
LOG, DAY, NUMPY_NUMBER = logging.getLogger("a"), datetime.date(2026, 1, 1), np.float64(1.5)
LIST, PAIR_WITH_LIST, GENERATOR = [], (1, []), np.random.default_rng(0)
SMALL, LARGE = np.ones(3), np.ones(1000)
count = 0


def is_kept(function):
    return holds_nothing_mutable(function, lambda array: array.nbytes >= 1000)


def uses_constants(x):
    return NUMBER, TEXT, PAIR, PATTERN, PATH, LOG, DAY, NUMPY_NUMBER, math.pi, operator.add, functools, Path, x


def uses_a_large_array(i):
    return LARGE[i] + np.cos(i)


def sets_attributes_of_what_it_makes(x):
    made = Path()
    made.x = x
    return NUMBER


def has_constant_defaults(x, y=1, *, z=("a", None)):
    return x, y, z


def factorial(n):
    return 1 if n < 2 else n * inner_factorial(n - 1)


def inner_factorial(n):
    return factorial(n)


def makes_functions(x):
    total = 0

    def add(y):
        nonlocal total
        total += y
        return total

    return add(x)


def uses_a_list(x):
    return LIST


def uses_a_list_in_a_tuple(x):
    return PAIR_WITH_LIST


def uses_a_small_array(x):
    return SMALL


def draws(x):
    return GENERATOR.random()


def counts(x):
    global count
    count += 1


def counts_inside(x):
    def add():
        global count
        count += 1

    return add()


def has_a_list_as_default(x, seen=[]):  # noqa: B006
    return seen


def has_a_list_as_keyword(x, *, seen=[]):  # noqa: B006
    return seen


def changes_itself(x):
    changes_itself.calls = x


def changes_itself_by_name(x):
    globals()["NUMBER"] = x


def changes_an_array(x):
    LARGE.shape = (10, 100)


def calls_what_uses_a_list(x):
    return uses_a_list(x)


def has_an_attribute(x):
    return x


has_an_attribute.cache = {}

KEPT = [
    uses_constants,
    uses_a_large_array,
    sets_attributes_of_what_it_makes,
    has_constant_defaults,
    makes_functions,
]

NOT_KEPT = [
    *(uses_a_list, uses_a_list_in_a_tuple, uses_a_small_array, draws, counts, counts_inside, has_a_list_as_default),
    *(has_a_list_as_keyword, changes_itself_by_name, changes_an_array, has_an_attribute),
    *(functools.partial(uses_constants), operator.add, Path, [].append, functools.lru_cache(uses_constants)),
]


@pytest.mark.parametrize("function", KEPT)
def test_a_function_that_holds_nothing_mutable_is_kept(function):
    assert is_kept(function)


@pytest.mark.parametrize(
    "function", NOT_KEPT, ids=lambda function: getattr(function, "__name__", type(function).__name__)
)
def test_any_other_function_is_not_kept(function):
    assert not is_kept(function)


put, read, space, frame, frame_of = setattr, getattr, globals, sys._getframe, inspect.currentframe


def annotates_itself(x: int):
    annotates_itself.__annotations__["n"] = x


def puts_into_itself(x):
    put(puts_into_itself, "n", x)


def reads_its_attributes(x):
    return getattr(reads_its_attributes, "__dict__")  # noqa: B009


def reads_them_by_another_name(x):
    return read(reads_them_by_another_name, "".join(["__di", "ct__"]))


def gets_them_by_an_operator(x):
    return operator.attrgetter("n")(gets_them_by_an_operator)


def calls_its_module_by_another_name(x):
    return space()["count"]


def looks_at_frames_by_another_name(x):
    return frame(), frame_of()


def hands_itself_over(x):
    return copy.copy(hands_itself_over)


def hands_itself_over_by_a_variable(x):
    mine = hands_itself_over_by_a_variable
    return copy.copy(mine)


def hands_itself_over_as_one_of_many(x):
    return [copy.copy, hands_itself_over_as_one_of_many]


def hands_itself_over_inside(x):
    return [copy.copy(hands_itself_over_inside) for _ in range(x)]


def hands_over_what_calls_it(x):
    return copy.copy(is_handed_over)


def is_handed_over(x):
    return hands_over_what_calls_it(x)


def has_itself_as_default(x, me=None):
    return copy.copy(me)


def has_itself_in_a_tuple(x):
    return copy.copy(has_itself_in_a_tuple.all)


def has_types(x):
    return x


def imports_the_program(x):
    import __main__

    return __main__


def reads_the_program(x):
    return sys.modules["__main__"]


def has_itself_as_method(x):
    return has_itself_as_method.__call__


has_itself_as_default.__defaults__ = (has_itself_as_default,)
has_itself_in_a_tuple.all = (has_itself_in_a_tuple,)
has_types.__type_params__ = (["mutable"],)  # of Python 3.12

REFLECTS = [
    *(annotates_itself, puts_into_itself, reads_its_attributes, reads_them_by_another_name, gets_them_by_an_operator),
    *(calls_its_module_by_another_name, looks_at_frames_by_another_name, hands_itself_over, has_itself_as_default),
    *(hands_itself_over_by_a_variable, hands_itself_over_as_one_of_many, hands_itself_over_inside, imports_the_program),
    *(is_handed_over, has_itself_in_a_tuple, reads_the_program, has_itself_as_method),
    *((has_types,) if sys.version_info >= (3, 12) else ()),
]


@pytest.mark.parametrize("function", REFLECTS, ids=operator.attrgetter("__name__"))
def test_a_function_that_can_change_itself_by_other_code_is_not_kept(function, monkeypatch):
    for one in (*REFLECTS, hands_over_what_calls_it):
        monkeypatch.setattr(one, "__module__", "__main__")
    assert not is_kept(function)


def calls_itself(x):
    return calls_itself(*[x - 1]) + len(calls_itself.__name__) if x else calls_itself.unit


def calls_and_hands_over_others(xs):
    return LARGE.mean(), np.dot(LARGE, LARGE), list(map(calls_itself, xs)), operator.attrgetter("real")(1)


def defines_a_class(x):
    class Local:
        def __call__(self):
            return super().__init__()

        def __getattribute__(self, name):
            return name == "eval"

    return Local()


calls_itself.unit = "m"


@pytest.mark.parametrize("function", [calls_itself, calls_and_hands_over_others, defines_a_class])
def test_a_function_that_calls_itself_or_hands_over_what_it_only_reads_is_kept(function, monkeypatch):
    monkeypatch.setattr(calls_itself, "__module__", "__main__")
    assert is_kept(function)


def test_a_variable_of_an_enclosing_function_may_be_the_function_itself():
    def calls(x):
        return calls(calls(x - 1)) if x else 0

    def hands(x):
        return copy.copy(hands)

    assert is_kept(calls)
    assert not is_kept(hands)


def test_functions_of_the_script_are_looked_into(monkeypatch):
    for function in (factorial, inner_factorial, changes_itself, uses_a_list):
        monkeypatch.setattr(function, "__module__", "__main__")
    assert is_kept(factorial)
    assert not is_kept(changes_itself)
    assert not is_kept(calls_what_uses_a_list)


def test_variables_of_enclosing_functions_are_looked_into():
    number, numbers, total = 1, [], 0

    def read():
        return number

    def extend():
        numbers.append(1)

    def add():
        nonlocal total
        total += 1

    def add_inside():
        def inside():
            nonlocal total
            total += 1

        return inside()

    class Local:
        pass

    def make():
        return Local()

    assert is_kept(read)
    assert [is_kept(function) for function in (extend, add, add_inside, make)] == [False] * 4


def test_an_empty_cell_is_no_obstacle():
    def outer():
        def inner():
            return later

        kept = is_kept(inner)
        later = []
        return kept, is_kept(inner), later

    assert outer()[:2] == (True, False)
