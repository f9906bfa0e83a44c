"""Tests of exceptions on their way from a task to the caller, also of those whose classes refuse what touches them."""

import dataclasses
import enum
import pickle
import sys
import threading
import types

import numpy as np
import pytest

from joblib_mpi.payloads import exception_pickling
from joblib_mpi.payloads.errors import as_error_of_program, pack_error, read_only_hint, unpack_error
from joblib_mpi.payloads.exception_access import add_note
from joblib_mpi.payloads.pickling import Pickler


def arrived(error):
    """Return ``error`` as the caller gets it, after a task has raised it."""
    try:
        raise error
    except BaseException as raised:
        packed = pack_error(raised)
    return unpack_error(packed, "rank 3 on cn042")


def copied(value):
    return pickle.loads(Pickler().dumps(value, in_band=True)[0])


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int
    path: str = "p"


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenWithSlots(Exception):
    code: int


@dataclasses.dataclass(frozen=True)
class FrozenExit(SystemExit):
    code: int


class Strict(Exception):
    def __setattr__(self, name, value):
        raise AttributeError("immutable")

    def __delattr__(self, name):
        raise AttributeError("immutable")


class WithProperty(Exception):
    def __init__(self, *, code):
        super().__init__("p")
        self.__dict__["code"] = code

    @property
    def code(self):
        return self.__dict__["code"]


class ReducesToLess(Exception):
    def __init__(self, code, detail):
        super().__init__(code)
        self.code, self.detail = code, detail

    def __reduce__(self):
        return ReducesToLess, (self.code,)


class CannotBeReduced(Exception):
    def __reduce__(self):
        raise KeyboardInterrupt


class GetsItsStateInVain(Exception):
    def __setstate__(self, state):
        raise SystemExit(3)


class WithSlots(Exception):
    __slots__ = ("code", "detail", "lock")

    def __init__(self, code):
        self.code, self.detail = code, None


class MadeByKeyword(Exception):
    def __new__(cls, *, code):
        made = super().__new__(cls)
        made.code = code
        return made

    def __init__(self, *, code):
        super().__init__(f"code {code}")


class KeyOrAttribute(KeyError, AttributeError):
    def __init__(self, *, key):
        super().__init__(key)
        self.key = key


class KeyOrFile(KeyError, OSError):
    pass


class SetsErrno(OSError):
    def __init__(self, path):
        self.path, self.errno, self.filename = path, 5, path


class SetsCode(SystemExit):
    def __init__(self, a, b):
        self.code = b


class DecodedLater(UnicodeDecodeError):
    def __init__(self, data):
        super().__init__("utf8", data, 0, 1, "bad")
        self.reason = "worse"


class ArgsProperty(Exception):
    @property
    def args(self):
        raise ValueError("no args")


class NotesProperty(Exception):
    @property
    def __notes__(self):
        raise SystemExit("no notes")


class CannotBeSaid(ValueError):
    def __str__(self):
        raise SystemExit("no text")

    __repr__ = __str__


class SaidOtherwise(ValueError):
    def __str__(self):
        return Text("read-only")


class Text(str):
    __slots__ = ()

    def __reduce__(self):
        raise ValueError("no pickle")


class IsNotWhatItIs(Exception):
    @property
    def __class__(self):
        raise KeyboardInterrupt


class Group(ExceptionGroup):
    def __reduce__(self):
        return Group, ("lost",)


class Many(ExceptionGroup):
    def __new__(cls, errors, code):
        made = super().__new__(cls, "many", errors)
        made.code = code
        return made


class Kind(Exception, enum.Enum):
    disk = "disk"


class WithALock(Exception):
    def __init__(self, detail):
        super().__init__("locked", threading.Lock())
        self.lock, self.detail = self.args[1], detail


class TellsNothing(SystemExit):
    code = property(lambda self: 0)


def with_slots_and_a_lock():
    error = WithSlots(7)
    error.lock = threading.Lock()
    return error


def local_to_a_function():
    class Local(Exception):
        def __init__(self, code, detail):
            super().__init__(detail)
            self.code = code

    return Local(7, "d")


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (Frozen(3), {"code": 3, "path": "p"}),
        (Frozen(code=3, path="q"), {"code": 3, "path": "q"}),
        (FrozenWithSlots(code=3), {"code": 3}),
        (FrozenExit(3), {"code": 3}),
        (Strict("x"), {"args": ("x",)}),
        (WithProperty(code=4), {"code": 4, "args": ("p",)}),
        (ReducesToLess(1, 2), {"code": 1, "detail": 2, "args": (1,)}),
        (CannotBeReduced("x"), {"args": ("x",)}),
        (WithSlots(7), {"code": 7, "detail": None}),
        (MadeByKeyword(code=7), {"code": 7, "args": ("code 7",)}),
        (KeyOrAttribute(key="k"), {"key": "k", "args": ("k",)}),
        (KeyOrFile("k"), {"args": ("k",)}),
        (SetsErrno("/x"), {"errno": 5, "filename": "/x", "path": "/x", "args": ()}),
        (SetsCode(1, 2), {"code": 2, "args": (1, 2)}),
        (DecodedLater(b"\xff"), {"reason": "worse", "object": b"\xff", "start": 0}),
        (with_slots_and_a_lock(), {"code": 7, "detail": None}),
        (Many([KeyError("k")], 7), {"code": 7, "message": "many"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_exception_arrives_with_type_attributes_and_text(error, attributes):
    back = arrived(error)
    assert type(back) is type(error)
    assert {name: getattr(back, name) for name in attributes} == attributes
    assert str(back) == str(error)
    assert "rank 3 on cn042" in str(back.__cause__)


@pytest.mark.parametrize("error", [Frozen(3), Strict("x"), WithProperty(code=4), MadeByKeyword(code=7), KeyOrFile("k")])
def test_exceptions_in_results_and_arguments_arrive_as_well(error):
    back = copied([error])[0]
    assert (type(back), back.args, vars(back)) == (type(error), error.args, vars(error))


def test_an_exception_whose_state_cannot_be_loaded_in_its_classs_way_has_it():
    error = GetsItsStateInVain("x")
    error.code = 7
    back = arrived(error)
    assert (type(back), back.code) == (GetsItsStateInVain, 7)


def test_a_property_in_place_of_args_is_no_obstacle():
    assert type(arrived(ArgsProperty("x"))) is ArgsProperty


def test_an_exception_of_a_class_inside_a_function_keeps_its_attributes():
    back = arrived(local_to_a_function())
    assert (type(back).__name__, back.code, back.args) == ("Local", 7, ("d",))


def test_an_exception_that_is_a_member_of_an_enumeration_is_that_member():
    assert arrived(Kind.disk) is Kind.disk


def test_notes_arrive_where_attributes_cannot_be_set():
    error = Frozen(3)
    for note in ("one", "two"):
        add_note(error, note)
    assert arrived(error).__notes__ == ["one", "two"]


@pytest.mark.parametrize("kind", [NotesProperty, CannotBeSaid, IsNotWhatItIs])
def test_an_exception_whose_methods_exit_arrives_with_its_type_and_its_traceback(kind):
    back = arrived(kind("x"))
    assert type(back) is kind
    assert "in arrived" in str(back.__cause__)


@pytest.mark.parametrize("attribute", ["lock", "file", "generator"])
def test_of_what_cannot_be_pickled_the_rest_arrives(attribute, tmp_path):
    with open(tmp_path / "file", "w") as file:
        values = {"lock": threading.Lock(), "file": file, "generator": (i for i in ())}
        error = ReducesToLess("x", values[attribute])
        error.other = [1, np.ones(2)]
        back = arrived(error)
    assert (type(back), back.code, back.other[0]) == (ReducesToLess, "x", 1)
    assert not hasattr(back, "detail")
    assert "detail" in back.__notes__[0]


def test_the_members_of_a_group_arrive_one_by_one():
    group = ExceptionGroup(
        "many", [Frozen(3), WithALock("d"), ReducesToLess(1, 2), ExceptionGroup("in", [Strict("s")])]
    )
    back = arrived(group)
    assert (type(back), back.message) == (ExceptionGroup, "many")
    frozen, locked, reduced, inner = back.exceptions
    assert (type(frozen), frozen.code) == (Frozen, 3)
    assert (type(locked), locked.args[0], locked.detail) == (WithALock, "locked", "d")
    assert (type(reduced), reduced.detail) == (ReducesToLess, 2)
    assert type(inner.exceptions[0]) is Strict


def test_a_group_whose_class_has_no_right_pickle_arrives_with_its_members():
    back = arrived(Group("many", [Frozen(3)]))
    assert (type(back), back.message, back.exceptions[0].code) == (Group, "many", 3)


@pytest.fixture
def only_on_the_worker():
    """Return an exception of a module that the program does not have."""
    module = types.ModuleType("only_on_the_worker")
    exec("class Lost(ValueError): pass\nclass Kept: pass", vars(module))
    sys.modules["only_on_the_worker"] = module
    yield module
    sys.modules.pop("only_on_the_worker", None)


def test_an_exception_of_a_module_that_the_program_lacks_is_told_with_its_type(only_on_the_worker):
    packed = pack_error(only_on_the_worker.Lost("away"))
    del sys.modules["only_on_the_worker"]
    error = unpack_error(packed, "rank 3 on cn042")
    assert type(error) is RuntimeError
    assert "Lost: away" in str(error)


def test_one_member_of_a_group_that_the_program_lacks_does_not_cost_it_the_others(only_on_the_worker):
    packed = pack_error(ExceptionGroup("many", [only_on_the_worker.Lost("away"), Frozen(3)]))
    del sys.modules["only_on_the_worker"]
    lost, frozen = unpack_error(packed, "rank 3 on cn042").exceptions
    assert "Lost: away" in str(lost)
    assert (type(frozen), frozen.code) == (Frozen, 3)


def test_cycles_of_exceptions_end():
    error = WithALock(None)
    error.detail, error.args = [error], (error, threading.Lock())
    error.__cause__ = other = KeyError("k")
    other.__context__ = other.__cause__ = error
    back = arrived(error)
    assert type(back) is WithALock
    assert back.args[1].startswith("<unlocked")


def test_each_of_many_exceptions_inside_each_other_is_packed_once(monkeypatch):
    packed = []
    monkeypatch.setattr(exception_pickling, "class_name_of", lambda error: packed.append(error) or "name")
    group = WithALock("d")
    for _ in range(6):
        group = ExceptionGroup("many", [group, group])
    back = arrived(group)
    assert len(packed) == 7
    for _ in range(6):
        back = back.exceptions[1]
    assert (type(back), back.detail) == (WithALock, "d")


def test_a_hint_does_not_depend_on_the_exceptions_methods():
    assert read_only_hint(CannotBeSaid("x")) is None
    assert "mmap_mode" in read_only_hint(SaidOtherwise())
    assert type(arrived(SaidOtherwise())) is SaidOtherwise


def test_without_memory_an_error_has_at_least_the_name_of_its_class(monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr("joblib_mpi.payloads.errors.pack_exception", fail)
    assert str(arrived(KeyError("k"))) == "KeyError"


@pytest.mark.parametrize("error", [FrozenExit(0), TellsNothing(0)])
def test_a_program_does_not_end_as_if_all_was_well_by_an_exit_of_a_task_that_cannot_be_changed(error):
    told = as_error_of_program(arrived(error))
    assert isinstance(told, SystemExit)
    assert "a task has called sys.exit" in told.code
    assert "rank 3 on cn042" in str(told.__cause__)
