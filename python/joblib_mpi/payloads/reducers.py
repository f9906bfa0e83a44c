"""Reducers, which take apart and rebuild objects that pickle and cloudpickle cannot rebuild.

These are exceptions whose constructors take other arguments than ``args``, and what the decorators of `functools` make
of functions that are pickled by value.
"""

import copyreg
import functools
import sys
from collections.abc import Callable, Mapping
from types import FunctionType, MappingProxyType
from typing import Any

#: A value of ``reducer_override``: a tuple as `object.__reduce_ex__` returns it, or NotImplemented.
Reduced = Any

_CACHED = type(functools.lru_cache(maxsize=1)(len))


def reduce_exception(error: BaseException) -> Reduced:
    """Take apart an exception whose class has no such method itself, so that its constructor is not called again."""
    kind = type(error)
    base = _builtin_base(kind)
    if kind is base or kind in copyreg.dispatch_table:
        return NotImplemented
    if any(getattr(kind, name) != getattr(base, name) for name in ("__reduce_ex__", "__reduce__", "__setstate__")):
        return NotImplemented
    reduced = error.__reduce__()
    state = dict(reduced[2] or {}) if isinstance(reduced, tuple) and len(reduced) > 2 else {}
    for name in copyreg._slotnames(kind):  # type: ignore[attr-defined]
        if hasattr(error, name):
            state[name] = getattr(error, name)
    start = (error.message, error.exceptions) if isinstance(error, BaseExceptionGroup) else reduced[1]
    return rebuild_exception, (kind, start, error.args, state)


def rebuild_exception(
    kind: type[BaseException], start: tuple[Any, ...], args: tuple[Any, ...], state: Mapping[str, Any]
) -> BaseException:
    """Return an exception without a call of the constructor that its class has defined.

    Parameters
    ----------
    kind : type
        The class of the exception.
    start : tuple
        The arguments for the constructor of the built-in class that it is derived from, which sets errno and the like.
    args : tuple
        The exception's ``args``.
    state : mapping of str to object
        Its other attributes.
    """
    base = _builtin_base(kind)
    try:
        error = base.__new__(kind, *start)
        base.__init__(error, *start)
    except TypeError:  # the class has never called that constructor
        error = base.__new__(kind)
    error.args = args
    for name, value in state.items():
        setattr(error, name, value)
    return error


def _builtin_base(kind: type[BaseException]) -> type[BaseException]:
    return next(base for base in kind.__mro__ if base.__module__ == "builtins")


def reduce_decorated(value: Any) -> Reduced:
    """Take apart a cached function, a cached property or a generic function that no module has under its name."""
    kind = type(value)
    if kind is _CACHED and not _is_importable(value):
        return _cache, (value.__wrapped__, value.cache_parameters())
    if kind is functools.cached_property:
        return _cached_property, (value.func, value.attrname)
    return NotImplemented


def reduce_generic(function: FunctionType) -> Reduced:
    """Take apart what `functools.singledispatch` has made; NotImplemented for other functions."""
    registry = function.__dict__.get("registry")
    if type(registry) is not MappingProxyType or "dispatch" not in function.__dict__ or _is_importable(function):
        return NotImplemented
    return functools.singledispatch, (registry[object],), dict(registry), None, None, _register


def _cache(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def _cached_property(function: Callable[[Any], Any], name: str | None) -> Any:
    made = functools.cached_property(function)
    made.attrname = name
    return made


def _register(function: Any, registry: Mapping[type, Callable[..., Any]]) -> None:
    for kind, implementation in registry.items():
        function.register(kind, implementation)


def _is_importable(value: Any) -> bool:
    found: Any = sys.modules.get(value.__module__ or "")
    if found is None or value.__module__ == "__main__":
        return False
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value
