"""Tests of `Pickler` with what pickle and cloudpickle cannot rebuild: exceptions, decorated functions."""

import functools
import json
import pickle
import types

import numpy
import pytest

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
