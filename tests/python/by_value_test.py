"""Tests of classes of the program in tasks and results: slots, references to rank 0's, names in ``__main__``."""

import abc
import dataclasses
import enum
import functools
import gc
import pickle
import sys
import types
import weakref

import cloudpickle.cloudpickle
import joblib
import pytest

from joblib_mpi.payloads import by_value, main_names
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
    monkeypatch.setattr(main_names, "_shows", True)
    copy, _ = as_in_another_process(here, monkeypatch)
    assert main.C is copy


class AnotherProcess:
    """A process that loads what this one pickles; its classes are others, and stay from one load to the next."""

    TRACKERS = ("_DYNAMIC_CLASS_TRACKER_BY_ID", "_DYNAMIC_CLASS_TRACKER_BY_CLASS")
    MAPS = ("_ids", "_by_id", "_loaded")

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self.main = types.ModuleType("__main__")
        self.shown = {}
        self._state = [(cloudpickle.cloudpickle, name) for name in self.TRACKERS]
        self._state += [(by_value, name) for name in self.MAPS]
        self._state = [(module, name, type(getattr(module, name))()) for module, name in self._state]

    def call(self, function, *arguments):
        with self._monkeypatch.context() as patch:
            for module, name, value in self._state:
                patch.setattr(module, name, value)
            patch.setattr(main_names, "_shows", True)
            patch.setattr(main_names, "_shown", self.shown)
            patch.setitem(sys.modules, "__main__", self.main)
            return function(*arguments)

    def load(self, value):
        return self.call(self._run_task, Pickler().dumps(value, in_band=True)[0])

    def _run_task(self, data):
        main_names.begin_task()
        value = load(data)
        main_names.show_nested()
        return value


@pytest.fixture
def another_process(monkeypatch):
    return AnotherProcess(monkeypatch)


def defined(source, name="C"):
    names = {"__name__": "__main__", "enum": enum, "abc": abc, "dataclasses": dataclasses}
    exec(source, names)
    return names[name] if isinstance(name, str) else [names[one] for one in name]


def test_the_bases_of_a_class_are_those_of_the_last_pickle(another_process):
    here, a, b = defined("class A: w = 'A'\nclass B: w = 'B'\nclass C(A): pass", ("C", "A", "B"))
    seen = []
    for bases in ((a,), (b,), (b, a), (a,)):
        here.__bases__ = bases
        copy = another_process.load(here)
        seen.append((copy.w, len(copy.__bases__)))
    assert seen == [("A", 1), ("B", 1), ("B", 2), ("A", 1)]


def test_the_names_of_a_class_are_those_of_the_last_pickle(another_process):
    here = defined("class C: pass")
    for name in ("C", "D", "C"):
        here.__name__, here.__qualname__ = name, f"Outer.{name}"
        copy = another_process.load(here)
        assert (copy.__name__, copy.__qualname__) == (name, f"Outer.{name}")


def test_the_metaclass_of_a_class_is_that_of_the_last_pickle(another_process):
    here, first, second = defined(
        "class M(type): n = 1\nclass N(M): n = 2\nclass C(metaclass=M): pass", ("C", "M", "N")
    )
    for kind in (first, second, first):
        here.__class__ = kind
        assert type(another_process.load(here)).n == kind.n


@pytest.mark.parametrize(
    "member",
    [
        "class C(enum.Enum):\n  one = 1",
        "class C(int, enum.Enum):\n  one = 1",
        "class C(enum.Flag):\n  one = 1",
        "class C(enum.Enum):\n  one = 1, 2\n  def __init__(self, a, b): self.b = b",
    ],
)
def test_the_members_of_an_enumeration_have_the_attributes_of_the_last_pickle(another_process, member):
    here = defined(member)
    first = vars(here.one).get("b")
    another = another_process.load(here)
    for tag in (1, [here.one], None):
        if tag is None:
            del here.one.tag, here.one.b
        else:
            here.one.tag, here.one.b = tag, 5
        copy = another_process.load([here.one])[0]
        assert copy is another.one
        assert getattr(copy, "tag", None) == (tag and (1 if tag == 1 else [copy]))
        assert getattr(copy, "b", None) == (tag and 5)
    assert first in (None, 2)


def test_a_member_whose_value_has_changed_has_that_of_the_last_pickle(another_process):
    here = defined("class C(enum.Enum):\n  one = [1]")
    for value in ([1], [1, 2], [1, 2, 3]):
        here.one.value[:] = value
        copy = another_process.load((here, here.one))
        assert copy[1].value == value
        assert copy[1] is copy[0].one


def test_attributes_that_a_metaclass_makes_are_gone_where_they_were_deleted(another_process):
    source = (
        "class M(type):\n  def __init__(cls, *a): super().__init__(*a); cls.registry = {}\nclass C(metaclass=M): x = 1"
    )
    here = defined(source)
    assert another_process.load(here).registry == {}
    del here.registry
    assert not hasattr(another_process.load(here), "registry")
    here.registry = {1: 2}
    assert another_process.load(here).registry == {1: 2}


def test_an_attribute_that_is_again_as_in_the_base_is_so_elsewhere(another_process):
    here, base = defined("class B:\n  'Of B.'\n  x = None\nclass C(B):\n  'Of C.'\n  x = 1", ("C", "B"))
    seen = []
    for document, x in (("Of C.", 1), (base.__doc__, base.x), ("Of C.", 2)):
        here.__doc__, here.x = document, x
        copy = another_process.load(here)
        seen.append((copy.__doc__, copy.x))
    assert seen == [("Of C.", 1), ("Of B.", None), ("Of C.", 2)]


def test_whether_a_class_is_abstract_is_as_in_the_last_pickle(another_process):
    source = "class B(abc.ABC): pass\nclass C(B):\n  @abc.abstractmethod\n  def f(self): pass"
    here = defined(source)
    copy = another_process.load(here)
    with pytest.raises(TypeError, match="abstract"):
        copy()
    here.f = lambda self: 1
    abc.update_abstractmethods(here)
    assert another_process.load(here)().f() == 1


@pytest.mark.parametrize("kind", SLOTS)
def test_a_class_that_has_not_changed_stays_as_it_is(another_process, kind):
    here = defined(f"import dataclasses\n{SLOTS[kind]}")
    first = another_process.load(here)
    names = {*vars(first), "__slotnames__"}  # the latter is of the module copyreg
    copy = another_process.load(here())
    assert (type(copy), copy.x, {*vars(first), "__slotnames__"}) == (first, 1, names)


def test_what_a_task_has_added_to_a_class_is_gone_with_the_next_pickle(another_process):
    here = defined("class C:\n  x = 1")
    copy = another_process.load(here)
    copy.x, copy.y = 2, 3
    assert another_process.load(here) is copy
    assert (copy.x, hasattr(copy, "y")) == (1, False)


@pytest.mark.parametrize("qualified_name", ["C", "Outer.C"])
def test_a_later_run_finds_a_class_by_its_qualified_name(another_process, monkeypatch, qualified_name):
    here = defined("class C:\n  x = 1")
    here.__qualname__ = qualified_name
    copy = another_process.load(here())
    result, _ = another_process.call(lambda: ResultPickler().dumps(copy, in_band=True))
    monkeypatch.setattr(by_value, "_by_id", {})
    main = types.ModuleType("__main__")
    main.C, main.Outer = here, types.SimpleNamespace(C=here)
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert type(load(result)) is here


def test_a_class_inside_a_function_comes_back_as_itself_and_by_value(another_process, monkeypatch):
    here = defined("def f():\n  class C:\n    x = 1\n  return C", "f")()
    copy = another_process.load(here())
    result, _ = another_process.call(lambda: ResultPickler().dumps(copy, in_band=True))
    assert type(load(result)) is here
    assert another_process.call(load, result) is not None
    for module, name, value in AnotherProcess(monkeypatch)._state:  # a later run
        monkeypatch.setattr(module, name, value)
    assert load(result).x == 1


def test_a_class_that_a_task_has_made_comes_by_value_each_time(another_process):
    made = another_process.call(defined, "class C:\n  x = 1")
    for _ in range(2):
        result, _ = another_process.call(lambda: ResultPickler().dumps(made, in_band=True))
        assert b"_class_of_script" not in result
        assert load(result).x == 1


NESTED = """
class Outer:
    class Middle:
        class Inner:
            def method(self): return 1
        @staticmethod
        def function(): return 2
    class Other:
        def method(self): return 3
    def method(self): return 4
def function(): return 5
"""


def as_of_main(monkeypatch, names):
    main = types.ModuleType("__main__")
    vars(main).update(names)
    monkeypatch.setitem(sys.modules, "__main__", main)


@pytest.fixture
def nested(monkeypatch):
    """Return the class Outer of a script, which is this process's ``__main__``."""
    names = {"__name__": "__main__"}
    exec(NESTED, names)
    as_of_main(monkeypatch, names)
    return names["Outer"]


NAMED = {
    "a method of a nested class": lambda outer: outer.Middle.Inner().method,
    "an instance of a nested class": lambda outer: outer.Middle.Inner(),
    "a nested class": lambda outer: outer.Middle.Inner,
    "a method of a nested class and its outer class": lambda outer: (outer.Middle.Inner().method, outer),
    "an outer class and a method of a nested class": lambda outer: (outer, outer.Middle.Inner().method),
    "two nested classes": lambda outer: (outer.Other().method, outer.Middle.Inner().method, outer.Middle),
    "a function of a nested class": lambda outer: outer.Middle.function,
    "a function of a class and the class": lambda outer: (outer.method, outer().method),
}


@pytest.mark.parametrize("value", NAMED)
def test_what_is_inside_a_class_has_the_hash_that_it_has_in_the_script(nested, another_process, value):
    value = NAMED[value](nested)
    copy = another_process.load(value)
    assert copy is not value
    for _ in range(2):
        assert another_process.call(joblib.hash, copy) == joblib.hash(value)
    another_process.load(nested)
    assert another_process.call(joblib.hash, another_process.load(value)) == joblib.hash(value)


def test_a_nested_class_that_the_script_has_defined_anew_takes_the_place_of_the_old_one(
    nested, another_process, monkeypatch
):
    another_process.load(nested)
    names = {"__name__": "__main__"}
    exec(NESTED, names)
    as_of_main(monkeypatch, names)
    value = names["Outer"].Middle.Inner().method
    copy = another_process.load(value)
    assert another_process.call(joblib.hash, copy) == joblib.hash(value)


def test_a_function_with_the_name_of_a_method_leaves_the_class_in_main(nested, another_process):
    copy = another_process.load(nested)
    function = functools.wraps(nested.method)(lambda self: 6)
    assert another_process.load((nested, function, nested.Middle))[0] is copy
    assert another_process.main.Outer is copy
    assert copy().method() == 4


def test_all_names_in_main_are_hidden_again(nested, another_process):
    another_process.main.own = 1
    function = vars(sys.modules["__main__"])["function"]
    for value in (nested.Middle.Inner, nested, (function, nested.Other)):
        another_process.load(value)
    assert {"Outer", "function"} < vars(another_process.main).keys()
    another_process.call(main_names.hide_from_main)
    assert not {"Outer", "function"} & vars(another_process.main).keys()
    assert another_process.main.own == 1


def test_functions_of_a_task_are_gone_from_main_with_it_and_classes_stay(nested, another_process):
    function = vars(sys.modules["__main__"])["function"]
    copy, _ = another_process.load((function, nested))
    assert another_process.main.function is copy
    another_process.load(1)
    assert not hasattr(another_process.main, "function")
    assert another_process.main.Outer.__name__ == "Outer"
    forgotten = weakref.ref(copy)
    del copy
    gc.collect()
    assert forgotten() is None
