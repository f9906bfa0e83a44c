"""Callables as a task's function: those that hold nothing, and the parts of those that hold something."""

import copyreg
import functools
import types
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeGuard


def name_of(function: Any) -> str:
    """Return the name of a function for messages."""
    return str(getattr(function, "__name__", type(function).__name__))


def is_constant(function: object) -> TypeGuard[Callable[..., Any]]:
    """Return whether a callable is pickled once for a call.

    Bound methods, partials and callable objects have state that one task may change for the next, so they are sent with
    each task, as arguments are.
    """
    if isinstance(function, types.BuiltinFunctionType):
        return isinstance(function.__self__, types.ModuleType)
    return isinstance(function, types.FunctionType | type)


class WrapperState(NamedTuple):
    """The attributes of a wrapper around a constant function.

    Attributes
    ----------
    function : callable
        The function.
    functions : tuple of str
        The names of the attributes that are the function.
    copied : tuple of str
        The names of those that `functools.update_wrapper` has copied from it.
    others : dict of str to object
        All others.
    """

    function: Callable[..., Any]
    functions: tuple[str, ...]
    copied: tuple[str, ...]
    others: dict[str, Any]


def state_of_wrapper(wrapper: object) -> WrapperState | None:
    """Return the attributes of a callable that is nothing else, such as scikit-learn's ``_FuncWrapper``, or None."""
    attributes = getattr(wrapper, "__dict__", {})
    inner = attributes.get("__wrapped__")
    if not is_constant(inner) or not _is_its_attributes(type(wrapper)):
        return None
    copied = tuple(
        name
        for name in functools.WRAPPER_ASSIGNMENTS
        if name in attributes and attributes[name] is getattr(inner, name, None)
    )
    functions = tuple(name for name, value in attributes.items() if value is inner)
    others = {name: value for name, value in attributes.items() if name not in copied and name not in functions}
    return WrapperState(inner, functions, copied, others)


def is_partial(function: object) -> TypeGuard["functools.partial[Any]"]:
    """Return whether a callable is nothing but a function and some of its arguments."""
    return type(function) is functools.partial and not function.__dict__


def parts_of(function: Any) -> list[Any]:
    """Return what a callable holds besides constant functions: of bound methods and callable objects, themselves."""
    if is_constant(function):
        return []
    if is_partial(function) and _has_parts(function):
        return [*parts_of(function.func), *function.args, *function.keywords.values()]
    state = state_of_wrapper(function)
    return [function] if state is None else list(state.others.values())


def with_parts(function: Any, change: Callable[[Any], Any]) -> Any:
    """Return a callable that has ``change(part)`` in place of each part that `parts_of` returns."""
    if is_constant(function):
        return function
    if is_partial(function) and _has_parts(function):
        keywords = {name: change(value) for name, value in function.keywords.items()}
        return functools.partial(with_parts(function.func, change), *map(change, function.args), **keywords)
    state = state_of_wrapper(function)
    if state is None:
        return change(function)
    copy = object.__new__(type(function))
    vars(copy).update(vars(function))
    vars(copy).update({name: change(value) for name, value in state.others.items()})
    return copy


def with_own_cells(function: types.FunctionType, contents: Iterable[Any]) -> types.FunctionType:
    """Return a function like another one without attributes, with these contents of its closure."""
    cells = tuple(map(types.CellType, contents))
    copy = types.FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
    for name in ("__kwdefaults__", "__qualname__", "__module__", "__doc__", "__annotations__"):
        setattr(copy, name, getattr(function, name))
    return copy


def _has_parts(function: Any) -> bool:
    if is_partial(function):
        return _has_parts(function.func)
    return is_constant(function) or state_of_wrapper(function) is not None


def _is_its_attributes(kind: Any) -> bool:
    # True if pickle would save nothing of an instance but its dictionary, and load it by filling the dictionary.
    return (
        kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and kind.__getstate__ is object.__getstate__
        and kind.__new__ is object.__new__
        and not hasattr(kind, "__setstate__")
        and not copyreg._slotnames(kind)  # type: ignore[attr-defined]
        and kind not in copyreg.dispatch_table
    )
