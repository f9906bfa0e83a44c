"""Tests of which functions an executor may keep between tasks."""

import datetime
import functools
import logging
import math
import operator
import re
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
