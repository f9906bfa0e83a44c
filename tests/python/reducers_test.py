"""Tests of `Pickler` with what pickle and cloudpickle cannot rebuild: exceptions, decorated functions."""

import functools
import json
import operator
import pickle
import types

import numpy
import pytest

from joblib_mpi.payloads import importable
from joblib_mpi.payloads.pickling import Pickler


def there_and_back(value):
    data, _ = Pickler().dumps(value, in_band=True)
    return pickle.loads(data)


def as_of_the_script(function_or_class):
    """Make the pickler take an object for one of the script, which workers cannot import."""
    function_or_class.__module__ = "__main__"
    return function_or_class


class TwoArguments(Exception):
    def __init__(self, code, detail):
        super().__init__(f"{code}: {detail}")
        self.code, self.detail = code, detail


class SaysMore(ValueError):
    def __init__(self, text):
        super().__init__(f"more: {text}")


class OfASystem(OSError):
    def __init__(self, *, path):
        super().__init__(2, "missing", path)


class WithSlots(Exception):
    __slots__ = ("code",)

    def __init__(self, code):
        self.code = code


class ReducesItself(Exception):
    def __reduce__(self):
        return ReducesItself, ("by itself",)


class LoadsItself(Exception):
    def __setstate__(self, state):
        self.state = state


class NotDecoded(UnicodeDecodeError):
    def __init__(self, position):
        super().__init__("utf8", b"\xff", position, position + 1, "bad")


class NotImported(ImportError):
    def __init__(self, *, module):
        super().__init__("missing", name=module)


class Many(ExceptionGroup):
    def __new__(cls, *errors):
        return super().__new__(cls, "many", errors)

    def derive(self, errors):
        return Many(*errors)


def test_attributes_arguments_and_notes_of_an_exception_stay():
    error = TwoArguments(7, "disk")
    error.add_note("sample 17")
    copy = there_and_back(error)
    assert (type(copy), copy.args, copy.code, copy.detail) == (TwoArguments, ("7: disk",), 7, "disk")
    assert copy.__notes__ == ["sample 17"]


@pytest.mark.parametrize("times", [1, 3])
def test_a_text_that_the_constructor_makes_stays_as_it_is(times):
    error = SaysMore("x")
    for _ in range(times):
        error = there_and_back(error)
    assert str(error) == "more: x"


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (OfASystem(path="/x"), ["errno", "strerror", "filename"]),
        (WithSlots(5), ["code"]),
        (NotDecoded(3), ["encoding", "object", "start", "end", "reason"]),
        (NotImported(module="m"), ["name", "msg"]),
        (OSError(2, "missing", "/x"), ["errno", "filename"]),
        (StopIteration("s"), ["value"]),
        (SystemExit("text"), ["code"]),
        (json.JSONDecodeError("bad", "{", 1), ["pos", "lineno", "doc"]),
        (numpy.exceptions.AxisError(3, 2) if hasattr(numpy, "exceptions") else OSError(1), ["args"]),
        (Many(ValueError("a"), TwoArguments(1, "b")), ["message"]),
    ],
)
def test_what_an_exception_has_in_its_base_class_or_in_slots_stays(error, names):
    copy = there_and_back(error)
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert [getattr(copy, name) for name in names] == [getattr(error, name) for name in names]


def test_exceptions_in_a_group_and_in_other_values_stay():
    group = there_and_back({"errors": Many(ValueError("a"), TwoArguments(1, "b"))})["errors"]
    assert [type(error) for error in group.exceptions] == [ValueError, TwoArguments]
    assert group.exceptions[1].code == 1


def test_an_exception_that_says_how_it_is_pickled_is_pickled_so():
    assert there_and_back(ReducesItself("x")).args == ("by itself",)


def test_an_exception_that_says_how_it_is_loaded_is_loaded_so():
    error = LoadsItself("x")
    error.code = 5
    assert there_and_back(error).state == {"code": 5}


def test_a_cached_function_of_the_script_that_calls_itself():
    names = {"functools": functools, "__name__": "__main__"}
    source = "@functools.lru_cache(maxsize=64)\ndef fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)"
    exec(source, names)
    copy = there_and_back(names["fib"])
    assert copy is not names["fib"]
    assert copy(30) == 832040
    assert copy.cache_parameters() == {"maxsize": 64, "typed": False}
    assert copy.cache_info().hits > 0


@functools.lru_cache
def cached_here(n):
    return n


def test_a_cached_function_of_a_module_is_pickled_by_its_name():
    assert there_and_back(cached_here) is cached_here


class Adds:
    def __init__(self, n):
        self.n = n

    def __call__(self, x):
        return self.n + x

    def plus(self, x):
        return self.n + x


def as_it_is(x):
    return x


@pytest.mark.parametrize(
    ("function", "argument", "result"),
    [
        (functools.partial(pow, 2), 3, 8),
        (functools.partial(as_it_is), 3, 3),
        (operator.attrgetter("real"), 3, 3),
        (Adds(3), 4, 7),
        (Adds(3).plus, 4, 7),
        (len, "abc", 3),
        (int, "3", 3),
        (functools.lru_cache(lambda x: [x]), 3, [3]),
    ],
    ids=["partial", "partial of a function", "attrgetter", "instance", "method", "built-in", "class", "cached"],
)
def test_any_callable_that_is_cached(function, argument, result):
    for cache in (functools.cache(function), functools.partial(functools.lru_cache(8)(function))):
        assert there_and_back(cache)(argument) == result


def test_a_cached_function_keeps_its_attributes():
    def function(n):
        """Say it."""
        return n

    function.unit = [1]
    cache = functools.lru_cache(function)
    cache.unit_of_cache, cache.itself, cache.__name__ = "m", cache, "other"
    copy = there_and_back(as_of_the_script(cache))
    assert (copy.unit_of_cache, copy.unit, copy.__name__, copy.__doc__) == ("m", [1], "other", "Say it.")
    assert (copy.itself, copy.unit) == (copy, copy.__wrapped__.unit)
    assert (copy(3), copy.cache_parameters()["maxsize"]) == (3, 128)


@pytest.mark.parametrize("size", [None, 0, 4])
def test_a_cached_function_that_wraps_another_one_calls_its_own(size):
    @functools.wraps(as_it_is)
    @functools.lru_cache(maxsize=size)
    def adds(x):
        return {"sum": x + 1}

    adds(1)
    adds(2)
    copy = there_and_back(as_of_the_script(adds))
    assert (copy(3), copy.__wrapped__(3), copy.__name__) == ({"sum": 4}, 3, "as_it_is")


def test_a_cached_function_of_a_module_that_is_sent_by_value(monkeypatch):
    monkeypatch.setattr(importable.cloudpickle, "list_registry_pickle_by_value", lambda: [__name__])
    assert there_and_back(cached_here) is not cached_here


def test_a_function_that_wraps_a_callable_object():
    wrapper = functools.wraps(Adds(3))(lambda x: x)
    copy = there_and_back(wrapper)
    assert (copy(1), copy.__wrapped__(1), copy.n) == (1, 4, 3)


def test_a_method_with_some_of_its_arguments():
    @as_of_the_script
    class Powers:
        def power(self, base, exponent):
            return base**exponent

        square = functools.partialmethod(power, exponent=2)
        cached = functools.lru_cache(power)

    assert there_and_back(Powers()).square(3) == 9
    assert there_and_back(Powers().square)(3) == 9
    assert there_and_back(Powers().cached)(3, 2) == 9


def test_a_cached_property_keeps_its_class_and_attributes():
    @as_of_the_script
    class Measured(functools.cached_property):
        pass

    @as_of_the_script
    class Image:
        @Measured
        def size(self):
            return 8

        vars()["size"].unit = "m"

    copy = there_and_back(Image())
    made = vars(type(copy))["size"]
    assert (copy.size, type(made).__name__, made.unit) == (8, "Measured", "m")


def test_a_cached_property_of_a_class_of_the_script():
    @as_of_the_script
    class Image:
        def __init__(self, n):
            self.n = n

        @functools.cached_property
        def size(self):
            """Say the size."""
            return self.n * 2

    assert there_and_back(Image(4)).size == 8
    size = there_and_back(vars(Image)["size"])
    assert (size.attrname, size.__doc__) == ("size", "Say the size.")


def test_a_generic_function_of_the_script():
    @functools.singledispatch
    def show(value):
        return "object"

    as_of_the_script(show)

    @show.register
    def _(value: int):
        return f"int in {show([])}"

    @show.register(list)
    def _(value):
        return "list"

    copy = there_and_back(show)
    assert isinstance(copy, types.FunctionType)
    assert [copy(value) for value in (1, [], "")] == ["int in list", "list", "object"]
    assert set(copy.registry) == {object, int, list}


def test_a_generic_function_keeps_its_attributes_and_its_name():
    @functools.singledispatch
    def show(value):
        return "object"

    show.register(object, lambda value: "other")
    show.unit, show.itself, show.__doc__ = "m", show, "Say it."
    copy = there_and_back(as_of_the_script(show))
    assert (copy(1), copy.__wrapped__(1)) == ("other", "object")
    assert (copy.unit, copy.itself, copy.__name__, copy.__doc__) == ("m", copy, "show", "Say it.")


@pytest.mark.parametrize("function", [functools.partial(pow, 2), Adds(5)], ids=["partial", "instance"])
def test_a_generic_function_of_any_callable(function):
    assert there_and_back(functools.singledispatch(function))(3) == 8


def test_a_generic_method_of_a_class_of_the_script():
    @as_of_the_script
    class Shows:
        @functools.singledispatchmethod
        def show(self, value):
            return "object"

        @show.register
        def _(self, value: int):
            return "int"

    copy = there_and_back(Shows())
    assert (copy.show(1), copy.show("")) == ("int", "object")
