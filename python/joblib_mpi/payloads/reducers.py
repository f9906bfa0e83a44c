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

from joblib_mpi.payloads.exception_access import MEMBERS, args_of, attributes_of, set_args, set_attribute

#: A value of ``reducer_override``: a tuple as `object.__reduce_ex__` returns it, or NotImplemented.
Reduced = Any

#: The arguments of `rebuild_exception`.
ExceptionParts = tuple[type[BaseException], tuple[Any, ...], tuple[Any, ...], dict[str, Any]]

#: The object of an AttributeError does not travel, as with Python's own pickles: it may be anything, of any size.
_OBJECT_WITHOUT_ATTRIBUTE = vars(AttributeError).get("obj")

_MISSING = object()

_CACHED = type(functools.lru_cache(maxsize=1)(len))


def reduce_exception(error: BaseException) -> Reduced:
    """Take apart an exception whose class has no such method itself, so that its constructor is not called again."""
    kind = type(error)
    base = _builtin_base(kind)
    if kind is base or kind in copyreg.dispatch_table:
        return NotImplemented
    if any(getattr(kind, name) != getattr(base, name) for name in ("__reduce_ex__", "__reduce__", "__setstate__")):
        return NotImplemented
    return rebuild_exception, parts_of_exception(error)


def parts_of_exception(error: BaseException) -> ExceptionParts:
    """Return the arguments with which `rebuild_exception` makes an exception like ``error``."""
    kind, args = type(error), args_of(error)
    base = _builtin_base(kind)
    if issubclass(kind, BaseExceptionGroup):
        start = tuple(vars(BaseExceptionGroup)[name].__get__(error) for name in ("message", "exceptions"))
    else:
        reduced: Any = base.__reduce__(error)
        start = reduced[1]
    state = dict(attributes_of(error))
    fresh = rebuild_exception(base, start, args, {})
    for source in kind.__mro__[: kind.__mro__.index(BaseException)]:
        for name, member in vars(source).items():
            if name in state or not isinstance(member, MEMBERS) or name in ("__dict__", "__weakref__"):
                continue
            value = _value_of(member, error)
            if value is not _MISSING and value is not _value_of(member, fresh):
                state[name] = value
    return kind, start, args, state


def _value_of(member: Any, error: BaseException) -> Any:
    if member is _OBJECT_WITHOUT_ATTRIBUTE:
        return _MISSING
    try:
        return member.__get__(error)
    except (AttributeError, TypeError):  # it has none, or is of another class
        return _MISSING


def rebuild_exception(
    kind: type[BaseException], start: tuple[Any, ...], args: tuple[Any, ...], state: Mapping[str, Any]
) -> BaseException:
    """Return an exception without a call of the constructor, or of other methods, that its class has defined.

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
    set_args(error, args)
    for name, value in state.items():
        set_attribute(error, name, value)
    return error


def _builtin_base(kind: type[BaseException]) -> type[BaseException]:
    # Not the first one of the method resolution order: of several built-in bases only this one can make an instance.
    base: type = kind
    while base.__module__ != "builtins":
        assert base.__base__ is not None
        base = base.__base__
    return base


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
