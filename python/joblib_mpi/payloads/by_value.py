"""Functions and classes of the script, which are pickled by value: each load gives them the state in that pickle.

cloudpickle makes one class of all pickles of a class, so that instances from different pickles have one type. It sets
the attributes that a pickle has, and leaves those that something has added since. Here a load gives a class exactly the
attributes in the pickle; only in the process that the class comes from, a load changes nothing. Results name classes of
rank 0, because what a task has done to its copy of a class must not reach the script's.
"""

import sys
import types
import uuid
import weakref
from collections.abc import Callable
from typing import Any

#: What `pickle` gets of an object that cloudpickle pickles by value: constructor, arguments, state, None, None, setter.
Reduction = tuple[Any, Any, Any, None, None, Callable[[Any, Any], Any]]

_ids: "weakref.WeakKeyDictionary[type, str]" = weakref.WeakKeyDictionary()  # of the classes of this process
_by_id: "weakref.WeakValueDictionary[str, type]" = weakref.WeakValueDictionary()


class _Loaded:
    """A class that came from another process: its id there, and its names before it had a state."""

    def __init__(self, class_id: str, first_names: frozenset[str]) -> None:
        self.class_id = class_id
        self.first_names = first_names


_loaded: "weakref.WeakKeyDictionary[type, _Loaded]" = weakref.WeakKeyDictionary()
_n_loads = 0

_shows_in_main = False
_shown: dict[str, Any] = {}


def is_by_value(reduced: Any) -> bool:
    """Return whether cloudpickle's reduction of a function or class has its content and not only its name."""
    return isinstance(reduced, tuple) and len(reduced) == 6


def with_exact_state(value: Any, reduced: Reduction) -> Reduction:
    """Return the reduction of a function or class whose load sets the state that the pickle has, and nothing else."""
    make, arguments, state, _, _, setter = reduced
    if not isinstance(value, type):
        return make, arguments, (state, setter), None, None, _set_function_state
    class_id = _ids.get(value)
    if class_id is None:
        known = _loaded.get(value)
        class_id = uuid.uuid4().hex if known is None else known.class_id
        _ids[value] = class_id
        _by_id[class_id] = value
    if "__slots__" in vars(value):
        arguments, state = _with_slots(value, arguments, state)
    return make, arguments, (state, setter, class_id), None, None, _set_class_state


def _with_slots(value: type, arguments: Any, state: Any) -> tuple[Any, Any]:
    # cloudpickle makes a class without slots, whose instances have a dictionary.
    attributes, others = state
    for name, attribute in list(attributes.items()):
        if isinstance(attribute, types.MemberDescriptorType) and attribute.__objclass__ is value:
            del attributes[name]
    kind, name, bases, keywords, *rest = arguments
    return (kind, name, bases, {**keywords, "__slots__": vars(value)["__slots__"]}, *rest), (attributes, others)


def reference_to(value: type) -> Any:
    """Return the reduction of a class of rank 0 to its name, for a result; None for other classes.

    A class inside a function has no name by which a later run, which reads the result from a checkpoint, could find it.
    """
    known = _loaded.get(value)
    class_id = _ids.get(value) if known is None else known.class_id
    if class_id is None or "<locals>" in value.__qualname__:
        return None
    return _class_of_script, (class_id, value.__module__, value.__qualname__)


def n_loads() -> int:
    """Return how many functions and classes this process has loaded by value."""
    return _n_loads


def show_in_main() -> None:
    """Give ``__main__`` the functions and classes of the script as they are loaded, for `joblib.hash` and the like.

    For executors only, whose ``__main__`` is not the script.
    """
    global _shows_in_main
    _shows_in_main = True


def hide_from_main() -> None:
    """Take from ``__main__`` what `show_in_main` has given it, and with it what that holds."""
    variables = vars(sys.modules["__main__"])
    for name, value in _shown.items():
        if variables.get(name) is value:
            del variables[name]
    _shown.clear()


def _show(value: Any) -> None:
    name = value.__name__
    if _shows_in_main and value.__module__ == "__main__" and value.__qualname__ == name and name.isidentifier():
        _shown[name] = value
        setattr(sys.modules["__main__"], name, value)


def _class_of_script(class_id: str, module: str, qualified_name: str) -> Any:
    found: Any = _by_id.get(class_id)
    if found is None:  # an earlier run has made the result
        found = sys.modules[module]
        for name in qualified_name.split("."):
            found = getattr(found, name)
    return found


def _set_function_state(function: Any, packed: Any) -> None:
    global _n_loads
    _n_loads += 1
    state, setter = packed
    setter(function, state)
    _show(function)


def _set_class_state(value: type, packed: Any) -> None:
    global _n_loads
    _n_loads += 1
    state, setter, class_id = packed
    if value in _ids:
        return
    known = _loaded.get(value)
    if known is None:
        known = _loaded[value] = _Loaded(class_id, frozenset(vars(value)))
        _by_id[class_id] = value
    attributes = state[0]
    for name in vars(value).keys() - known.first_names - attributes.keys():
        type.__delattr__(value, name)
    setter(value, state)
    _show(value)
