"""The names in an executor's ``__main__`` by which `joblib.hash` and the like find what tasks have of the script.

An executor's ``__main__`` is not the script. Functions and classes of the script are shown there as they are loaded,
each under its qualified name. A task may have a class without the class in which it was defined: then an empty class
stands in for the outer one. Pickles by name, of which the hash of a bound method is made, do not tell these apart.
"""

import sys
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any

_shows = False
_shown: dict[str, Any] = {}
_shown_in_task: set[str] = set()
_nested: list[Any] = []  # functions and classes with their place still to be found
_passing: list[FunctionType] = []  # functions that go with the task that has them
_n_changes = 0


class _Outer(type):
    """The kind of the classes that have nothing but classes and functions which were defined in the real one."""


def show_in_main() -> None:
    """Give ``__main__`` the functions and classes of the script as they are loaded from now on. For executors only."""
    global _shows
    _shows = True


def is_executor() -> bool:
    """Return whether this process shows functions and classes of the script in its ``__main__``."""
    return _shows


def begin_task() -> None:
    """Hide the functions of the last task, except for those that `keep_shown` was told of.

    What is shown from now on takes the place of classes that earlier tasks have had.
    """
    for function in _passing:
        _hide(function.__qualname__, function)
    _passing.clear()
    _shown_in_task.clear()
    _nested.clear()


def n_changes() -> int:
    """Return how often something was shown; as long as this stays, all that was shown still is."""
    return _n_changes


def keep_shown(functions: Iterable[FunctionType]) -> None:
    """Show functions that are kept for later tasks, until `hide`."""
    for function in functions:
        show(function)
    kept = set(map(id, functions))
    _passing[:] = [function for function in _passing if id(function) not in kept]


def hide(functions: Iterable[FunctionType]) -> None:
    """Take functions that are no longer kept from ``__main__``, and with them what they hold."""
    for function in functions:
        _hide(function.__qualname__, function)


def hide_from_main() -> None:
    """Take from ``__main__`` what `show_in_main` has given it, and with it what that holds."""
    for name, value in list(_shown.items()):
        _hide(name, value)
    _shown.clear()
    begin_task()


def show(value: Any) -> None:
    """Let ``__main__`` have a function or class of the script that was just loaded. Does nothing in other processes."""
    global _n_changes
    if not _shows:
        return
    name = value.__qualname__
    if "." in name:
        _nested.append(value)
    elif value.__module__ == "__main__" and name.isidentifier():
        _n_changes += 1
        _shown[name] = value
        _shown_in_task.add(name)
        setattr(sys.modules["__main__"], name, value)
        if type(value) is FunctionType:
            _passing.append(value)


def show_nested() -> None:
    """Let ``__main__`` also have what was loaded since `begin_task` without the class in which it was defined.

    Later than `show`, because most of it is in a class that was loaded as well.
    """
    if not _nested:
        return
    outer: Any = None
    known = ""
    members: Mapping[str, Any] = {}
    for value in _nested:
        path, _, name = value.__qualname__.rpartition(".")
        if path != known:  # most are methods of one class
            outer, known = _attribute(sys.modules["__main__"], path.split(".")), path
            members = getattr(outer, "__dict__", {})
        if members.get(name) is value or _attribute(outer, (name,)) is value:
            continue
        if value.__module__ == "__main__":
            _show_nested(value, path.split("."), name)
            known = ""
    _nested.clear()


def _show_nested(value: Any, path: list[str], name: str) -> None:
    global _n_changes
    first = path[0]
    if not all(map(str.isidentifier, (*path, name))):
        return  # it is inside of a function
    main = sys.modules["__main__"]
    outer = vars(main).get(first)
    # What the task has itself stays: a decorator may have given a function the name of a method.
    if outer is None or type(outer) is _Outer or (first in _shown and first not in _shown_in_task):
        _n_changes += 1
        _shown[first] = _with(outer, first, [*path[1:], name], value)
        setattr(main, first, _shown[first])


def _hide(name: str, value: Any) -> None:
    first, *inner = name.split(".")
    variables = vars(sys.modules["__main__"])
    if not inner:
        if variables.get(first) is value:
            del variables[first]
        if _shown.get(first) is value:
            del _shown[first]
        return
    outer = variables.get(first)
    for part in inner[:-1]:
        outer = vars(outer).get(part) if type(outer) is _Outer else None
    if type(outer) is _Outer and vars(outer).get(inner[-1]) is value:
        delattr(outer, inner[-1])


def _with(outer: Any, path: str, inner: list[str], value: Any) -> _Outer:
    """Return a class that has ``value`` under the names ``inner``: ``outer``, or a new one if that is a real class."""
    if type(outer) is not _Outer:
        outer = _Outer(path.rpartition(".")[2], (), {"__module__": "__main__", "__qualname__": path})
    name, *rest = inner
    setattr(outer, name, _with(vars(outer).get(name), f"{path}.{name}", rest, value) if rest else value)
    made: _Outer = outer
    return made


def _attribute(value: Any, path: Iterable[str]) -> Any:
    try:
        for name in path:
            value = getattr(value, name, None)
    except Exception:  # from a metaclass
        return None
    return value
