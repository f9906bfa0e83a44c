"""The names in an executor's ``__main__`` by which `joblib.hash` and the like find what tasks have of the script.

An executor's ``__main__`` is not the script. Functions and classes of the script are shown there as they are loaded,
each under its qualified name. A task may have a class without the class in which it was defined: then an empty class
stands in for the outer one. Pickles by name, of which the hash of a bound method is made, do not tell these apart.
"""

import sys
from typing import Any

_shows = False
_shown: dict[str, Any] = {}
_shown_in_task: set[str] = set()
_nested: list[Any] = []  # functions and classes with their place still to be found


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
    """Let what is shown from now on take the place of what earlier tasks have had."""
    _shown_in_task.clear()
    _nested.clear()


def hide_from_main() -> None:
    """Take from ``__main__`` what `show_in_main` has given it, and with it what that holds."""
    variables = vars(sys.modules["__main__"])
    for name, value in _shown.items():
        if variables.get(name) is value:
            del variables[name]
    _shown.clear()
    begin_task()


def show(value: Any) -> None:
    """Let ``__main__`` have a function or class of the script that was just loaded. Does nothing in other processes."""
    if not _shows or value.__module__ != "__main__":
        return
    name = value.__qualname__
    if "." in name:
        _nested.append(value)
    elif name.isidentifier():
        _shown[name] = value
        _shown_in_task.add(name)
        setattr(sys.modules["__main__"], name, value)


def show_nested() -> None:
    """Let ``__main__`` also have what was loaded since `begin_task` without the class in which it was defined.

    Later than `show`, because most of it is in a class that was loaded as well.
    """
    main = sys.modules["__main__"]
    for value in _nested:
        first, *inner = value.__qualname__.split(".")
        outer = vars(main).get(first)
        if _attribute(outer, inner) is value or not all(map(str.isidentifier, (first, *inner))):
            continue
        # What the task has itself stays: a decorator may have given a function the name of a method.
        if outer is None or type(outer) is _Outer or (first in _shown and first not in _shown_in_task):
            _shown[first] = _with(outer, first, inner, value)
            setattr(main, first, _shown[first])
    _nested.clear()


def _with(outer: Any, path: str, inner: list[str], value: Any) -> _Outer:
    """Return a class that has ``value`` under the names ``inner``: ``outer``, or a new one if that is a real class."""
    if type(outer) is not _Outer:
        outer = _Outer(path.rpartition(".")[2], (), {"__module__": "__main__", "__qualname__": path})
    name, *rest = inner
    setattr(outer, name, _with(vars(outer).get(name), f"{path}.{name}", rest, value) if rest else value)
    made: _Outer = outer
    return made


def _attribute(value: Any, path: list[str]) -> Any:
    try:
        for name in path:
            value = getattr(value, name, None)
    except Exception:  # from a metaclass
        return None
    return value
