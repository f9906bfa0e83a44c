"""Tests of classes of the program in tasks and results: slots, references to rank 0's, names in ``__main__``."""

import enum
import pickle
import sys

import cloudpickle.cloudpickle
import pytest

from joblib_mpi.payloads import by_value
from joblib_mpi.payloads.pickling import Pickler
from joblib_mpi.payloads.result_pickling import ResultPickler


def load(data):
    return pickle.loads(data)


def as_in_another_process(value, monkeypatch, change=lambda copy: None):
    """Return ``value`` as a process without its class has it, and that process's pickle of it as a result."""
    data, _ = Pickler().dumps(value, in_band=True)
    with monkeypatch.context() as patch:
        for name in ("_DYNAMIC_CLASS_TRACKER_BY_ID", "_DYNAMIC_CLASS_TRACKER_BY_CLASS"):
            patch.setattr(cloudpickle.cloudpickle, name, type(getattr(cloudpickle.cloudpickle, name))())
        for name in ("_ids", "_by_id"):
            patch.setattr(by_value, name, type(getattr(by_value, name))())
        copy = load(data)
        change(copy)
        result, _ = ResultPickler().dumps(copy, in_band=True)
    return copy, result


@pytest.fixture
def define():
    """Return `define(source)`, which defines a class C as a script does."""

    def define(source):
        names = {"__name__": "__main__", "enum": enum}
        exec(f"import dataclasses\n{source}", names)
        made.append(names["C"])
        sys.modules["__main__"].C = names["C"]
        return names["C"]

    made = []
    yield define
    for name in ("C", "f"):
        vars(sys.modules["__main__"]).pop(name, None)


SLOTS = {
    "slots": "class C:\n  __slots__ = ('x', '__private')\n  def __init__(self): self.x, self.__private = 1, 2",
    "one name": "class C:\n  __slots__ = 'x'\n  def __init__(self): self.x = 1",
    "dataclass": "@dataclasses.dataclass(slots=True)\nclass C:\n  x: int = 1",
    "frozen dataclass": "@dataclasses.dataclass(slots=True, frozen=True)\nclass C:\n  x: int = 1",
    "base with slots": "class B:\n  __slots__ = 'x'\nclass C(B):\n  __slots__ = 'y'\n  def __init__(self): self.x = 1",
    "dictionary, too": "class C:\n  __slots__ = ('x', '__dict__')\n  def __init__(self): self.x, self.y = 1, 2",
    "no slots": "class C:\n  x = 1",
}


@pytest.mark.parametrize("kind", SLOTS)
def test_instances_come_back_as_those_of_rank_0s_class(define, monkeypatch, kind):
    here = define(SLOTS[kind])
    copy, result = as_in_another_process(here(), monkeypatch)
    assert type(copy) is not here
    assert hasattr(copy, "__dict__") == hasattr(here(), "__dict__")
    back = load(result)
    assert (type(back), back.x) == (here, 1)


def test_members_of_an_enumeration_come_back_as_themselves(define, monkeypatch):
    here = define("class C(enum.Enum):\n  one = 1\n  two = 2")
    copy, result = as_in_another_process(here.two, monkeypatch)
    assert copy is not here.two
    assert load(result) is here.two


def test_what_a_task_changes_in_a_class_does_not_reach_rank_0s(define, monkeypatch):
    here = define("class C:\n  count = 0")
    copy, result = as_in_another_process(here, monkeypatch, lambda copy: setattr(copy, "count", 5))
    assert (load(result) is here, here.count, copy.count) == (True, 0, 5)


def test_a_class_that_a_task_has_defined_comes_by_value(define):
    here = define("class C:\n  x = 1")
    data, _ = ResultPickler().dumps(here, in_band=True)
    assert b"_class_of_script" not in data


def test_a_later_run_finds_the_class_by_its_name(define, monkeypatch):
    here = define("class C:\n  x = 1")
    _, result = as_in_another_process(here(), monkeypatch)
    monkeypatch.setattr(by_value, "_by_id", {})
    assert type(load(result)) is here


def test_names_in_main_are_for_executors_only(define, monkeypatch):
    here = define("class C:\n  x = 1\ndef f(): return 1")
    main = sys.modules["__main__"]
    copy, _ = as_in_another_process(here, monkeypatch)
    assert main.C is here
    monkeypatch.setattr(by_value, "_shows_in_main", True)
    copy, _ = as_in_another_process(here, monkeypatch)
    assert main.C is copy
