"""Classes and functions of the program, which are sent to executors by value.

An executor makes its own class of what rank 0 has sent. Results that have it, or its instances, name rank 0's class.
`joblib.hash` and others that look up a class or function in ``__main__`` find the one that was loaded last.
"""

import sys
import types
import weakref
from typing import Any

import cloudpickle.cloudpickle

#: By class, cloudpickle's id for each class that it has pickled or loaded by value; and by id, the class.
_IDS = getattr(cloudpickle.cloudpickle, "_DYNAMIC_CLASS_TRACKER_BY_CLASS", {})
_BY_ID = getattr(cloudpickle.cloudpickle, "_DYNAMIC_CLASS_TRACKER_BY_ID", {})

#: The classes that this process has loaded, not defined.
_loaded: "weakref.WeakSet[type]" = weakref.WeakSet()

Reduced = Any

_shows_in_main = False


def show_in_main() -> None:
    """Give ``__main__`` the classes and functions of the program as they are loaded; for executors only."""
    global _shows_in_main
    _shows_in_main = True


def named_function(value: types.FunctionType, reduced: Reduced) -> Reduced:
    """Return what cloudpickle makes of a function that it pickles by value, noted where it is loaded."""
    make, arguments, *rest = reduced
    if value.__module__ != "__main__" or value.__qualname__ != value.__name__ or not value.__name__.isidentifier():
        return reduced
    return _load_function, (value.__name__, make, arguments), *rest


def complete(value: type, reduced: Reduced) -> Reduced:
    """Return what cloudpickle makes of a class that it pickles by value, with slots, and noted where it is loaded."""
    make, arguments, (members, slot_state), *rest = reduced
    if "__slots__" in vars(value) and "__slots__" in members:
        # cloudpickle (3.1) sets them when the class is made, and its instances have a dictionary instead.
        constructor, name, bases, keywords, *others = arguments
        arguments = (constructor, name, bases, {**keywords, "__slots__": members["__slots__"]}, *others)
        members = {
            key: member
            for key, member in members.items()
            if key != "__slots__" and type(member) is not types.MemberDescriptorType
        }
    return _load, (make, arguments), (members, slot_state), *rest


def reference_to(value: type) -> Reduced:
    """Return what refers to a class of rank 0; NotImplemented for all others.

    A class that was defined inside a function is none of these, because a later run, which reads this run's results
    from a checkpoint, could not find it.
    """
    if value not in _loaded or "<locals>" in value.__qualname__ or (number := _IDS.get(value)) is None:
        return NotImplemented
    return find, (number, value.__module__, value.__qualname__)


def find(number: str, module: str, name: str) -> Any:
    """Return the class that this process has pickled under this id, or, in a later run, the one of this name."""
    known = _BY_ID.get(number)
    if known is not None:
        return known
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _load(make: Any, arguments: tuple[Any, ...]) -> Any:
    loaded = make(*arguments)
    _loaded.add(loaded)
    if loaded.__module__ == "__main__" and "." not in loaded.__qualname__:
        _show(loaded.__name__, loaded)
    return loaded


def _load_function(name: str, make: Any, arguments: tuple[Any, ...]) -> Any:
    loaded = make(*arguments)
    _show(name, loaded)
    return loaded


def _show(name: str, value: Any) -> None:
    if _shows_in_main:
        setattr(sys.modules["__main__"], name, value)
