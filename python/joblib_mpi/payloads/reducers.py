"""Reducers, which take apart and rebuild objects that pickle and cloudpickle cannot rebuild.

These are exceptions whose constructors take other arguments than ``args``, and what the decorators of `functools` make
of functions that are pickled by value.
"""

import copyreg
import enum
import functools
import gc
import itertools
from collections.abc import Callable, Collection, Mapping
from types import FunctionType, MappingProxyType
from typing import Any

from joblib_mpi.payloads.exception_access import MEMBERS, args_of, attributes_of, set_args, set_attribute
from joblib_mpi.payloads.importable import is_importable

#: A value of ``reducer_override``: a tuple as `object.__reduce_ex__` returns it, or NotImplemented.
Reduced = Any

#: The arguments of `rebuild_exception`.
ExceptionParts = tuple[type[BaseException], tuple[Any, ...], tuple[Any, ...], dict[str, Any]]

#: The object of an AttributeError does not travel, as with Python's own pickles: it may be anything, of any size.
_OBJECT_WITHOUT_ATTRIBUTE = vars(AttributeError).get("obj")

_MISSING = object()

#: Attributes of generic functions that are closures over their registry.
_MADE_BY_SINGLEDISPATCH = {"register", "dispatch", "registry", "_clear_cache"}

_DESCRIPTORS = functools.cached_property, functools.singledispatchmethod

#: Their attributes that cannot be pickled: a lock before Python 3.12, and weak references since 3.13.
_MADE_ANEW = {"lock", "_method_cache"}

_CACHED = type(functools.lru_cache(maxsize=1)(len))


def reduce_exception(error: BaseException) -> Reduced:
    """Take apart an exception whose class has no such method itself, so that its constructor is not called again."""
    kind = type(error)
    base = _builtin_base(kind)
    if isinstance(kind, enum.EnumMeta) and "_name_" in attributes_of(error):
        return getattr, (kind, attributes_of(error)["_name_"])
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
    """Take apart a cached function that no module has under its name, and some of the descriptors of `functools`."""
    kind = type(value)
    if kind is _CACHED and not is_importable(value) and (function := cached_function(value)) is not None:
        return _cache, (function, value.cache_parameters()), own_attributes_of_cache(value, function) or None
    if issubclass(kind, _DESCRIPTORS):
        base = (
            functools.cached_property if issubclass(kind, functools.cached_property) else functools.singledispatchmethod
        )
        if _is_pickled_as(kind, base):
            return _blank, (kind, base), {name: part for name, part in vars(value).items() if name not in _MADE_ANEW}
    return NotImplemented


def reduce_generic(function: FunctionType) -> Reduced:
    """Take apart what `functools.singledispatch` has made; NotImplemented for other functions."""
    registry = function.__dict__.get("registry")
    if type(registry) is not MappingProxyType or "dispatch" not in function.__dict__ or is_importable(function):
        return NotImplemented
    start = registry[object]
    fresh = functools.singledispatch(start)
    own = _differences(function, fresh, _MADE_BY_SINGLEDISPATCH)
    for name in functools.WRAPPER_ASSIGNMENTS:
        if getattr(function, name, None) is not getattr(fresh, name, None):
            own[name] = getattr(function, name)
    return functools.singledispatch, (start,), (dict(registry), own), None, None, _set_generic_state


def cached_function(cache: Any) -> Callable[..., Any] | None:
    """Return the function that a cached function calls; None where Python does not tell."""
    found: Callable[..., Any] = cache.__wrapped__
    referents = gc.get_referents(cache)
    if any(referent is found for referent in referents):
        return found
    # Something has replaced that name, such as `functools.wraps` above `lru_cache`. The function follows the results.
    for results, function in itertools.pairwise(reversed(referents)):
        if type(function) is dict and function is not cache.__dict__ and callable(results):
            return results  # type: ignore[no-any-return]
    return None


def own_attributes_of_cache(cache: Any, function: Callable[..., Any]) -> dict[str, Any]:
    """Return the attributes that a cached function has beyond those that it gets when it is made of ``function``."""
    return _differences(cache, _cache(function, cache.cache_parameters()), {"cache_parameters"})


def _differences(value: Any, fresh: Any, left_out: Collection[str]) -> dict[str, Any]:
    attributes = vars(fresh)
    return {
        name: attribute
        for name, attribute in vars(value).items()
        if name not in left_out and attributes.get(name, _MISSING) is not attribute
    }


def _is_pickled_as(kind: type, base: type) -> bool:
    names = ("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__")
    return all(getattr(kind, name, None) is getattr(base, name, None) for name in names)


def _cache(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def _blank(kind: type, base: Callable[[Any], Any]) -> Any:
    made: Any = object.__new__(kind)
    vars(made).update({name: part for name, part in vars(base(len)).items() if name in _MADE_ANEW})
    return made


def _set_generic_state(function: Any, state: tuple[Mapping[type, Callable[..., Any]], Mapping[str, Any]]) -> None:
    registry, attributes = state
    for kind, implementation in registry.items():
        function.register(kind, implementation)
    for name, value in attributes.items():
        setattr(function, name, value)
