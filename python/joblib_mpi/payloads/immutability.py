"""A check that a function which is pickled by value can be kept between tasks: no task changes anything that it holds.

The answer is no if the function can rebind a variable, set an attribute of itself, hand itself to other code, or holds
a value that can change: then each task gets the function anew. Whether other code, such as a library to which it hands
an array or a second function, has changed something is found out where the function is kept; see `kept_functions`.
"""

import datetime
import decimal
import dis
import fractions
import gc
import inspect
import logging
import pathlib
import re
import sys
import types
import uuid
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from joblib_mpi.payloads.importable import is_importable

#: Types whose instances cannot change, or are pickled by name.
IMMUTABLE_TYPES = {
    *(type(None), type(...), type(NotImplemented), bool, int, float, complex, str, bytes, range, slice),
    *(datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone),
    *(decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern, np.ufunc, logging.Logger),
    *(pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath),
}

#: Names by which code can reach or change what it could not name: variables of its module, attributes of functions.
_REFLECTION = {
    *("globals", "locals", "vars", "exec", "eval", "setattr", "delattr", "update_wrapper", "setflags"),
    *("__globals__", "__dict__", "__closure__", "__defaults__", "__kwdefaults__", "__code__", "__builtins__"),
    *("__annotations__", "__annotate__", "__type_params__", "__self__", "__func__", "__get__", "__call__"),
    *("__setattr__", "__delattr__", "__getattribute__", "__reduce__", "__reduce_ex__", "__setstate__", "__main__"),
    *("_getframe", "_current_frames", "currentframe", "f_back", "f_globals", "f_locals", "f_builtins", "cell_contents"),
    *("get_objects", "get_referrers", "get_referents"),
}

#: The ids of functions in `_REFLECTION`, which code may have under other names.
_REFLECTING = {
    *map(id, (globals, locals, vars, exec, eval, setattr, delattr)),
    *map(id, (sys._getframe, sys._current_frames, inspect.currentframe, inspect.stack)),
    *map(id, (gc.get_objects, gc.get_referrers, gc.get_referents)),
}

#: Uses of a function that do not hand it to other code; which attributes are read is looked at as well.
_READS_AN_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}

_NAMING = frozenset(dis.hasname)

_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"}


class _Code(NamedTuple):
    """Uses that the code of a function makes of what it does not own, with the functions inside it.

    Attributes
    ----------
    names : frozenset of str
        The global variables that it reads.
    handed : frozenset of str
        The variables whose values it hands to other code; it only calls the others, or reads their attributes.
    rebinds : bool
        Whether it may rebind global variables, or use `_REFLECTION`.
    cells : frozenset of str
        The variables of enclosing functions that it rebinds.
    sets_attributes : bool
        Whether it sets attributes of anything.
    """

    names: frozenset[str]
    handed: frozenset[str]
    rebinds: bool
    cells: frozenset[str]
    sets_attributes: bool


def holds_nothing_mutable(function: Callable[..., Any], is_read_only: Callable[[np.ndarray], bool]) -> bool:
    """Return whether it is certain that no task can change what a function holds.

    Parameters
    ----------
    function : callable
        A function that is pickled by value, or anything else, for which the answer is no.
    is_read_only : callable
        Says whether tasks get an array read-only.
    """
    return isinstance(function, types.FunctionType) and _Holdings(is_read_only).are_immutable(function)


def hands_over_what_it_holds(function: types.FunctionType) -> bool:
    """Return whether other code gets a function of the script, or an array, from a function that holds nothing mutable.

    It could set their attributes, and what the function holds would be as it has left it.
    """
    seen: set[int] = set()
    found: list[tuple[Any, bool]] = [(function, False)]
    while found:
        value, is_handed = found.pop()
        kind = type(value)
        if kind is tuple or kind is frozenset:
            found.extend((item, True) for item in value)
        elif kind is np.ndarray or (kind is types.FunctionType and (value is function or not is_importable(value))):
            if is_handed:
                return True
            if kind is types.FunctionType and id(value) not in seen:
                seen.add(id(value))
                found.extend(_held_by(value, _facts_of(value.__code__)))
    return False


class _Holdings:
    def __init__(self, is_read_only: Callable[[np.ndarray], bool]) -> None:
        self._is_read_only = is_read_only
        self._known: set[int] = set()
        self._around: set[int] = set()  # the functions that are being looked into
        self._has_attributes = False  # something was found whose attributes code could set
        self._sets_attributes = False

    def are_immutable(self, function: types.FunctionType) -> bool:
        found = self._is_immutable_function(function, False)
        return found and not (self._sets_attributes and self._has_attributes)

    def _is_immutable_function(self, function: types.FunctionType, is_handed: bool) -> bool:
        if id(function) in self._known:
            self._has_attributes = True  # it can name itself
            return not (is_handed and id(function) in self._around)  # what else gets it may set its attributes
        self._known.add(id(function))
        code = _facts_of(function.__code__)
        if code.rebinds or code.cells.intersection(function.__code__.co_freevars):
            return False
        self._sets_attributes |= code.sets_attributes
        self._around.add(id(function))
        found = all(self._is_immutable(value, is_handed) for value, is_handed in _held_by(function, code))
        self._around.discard(id(function))
        return found

    def _is_immutable(self, value: Any, is_handed: bool) -> bool:
        kind = type(value)
        if kind in IMMUTABLE_TYPES or (isinstance(value, np.generic | np.dtype) and not isinstance(value, np.void)):
            return True
        if kind is tuple or kind is frozenset:
            return all(self._is_immutable(item, True) for item in value)
        if kind is types.ModuleType:
            return value.__name__ != "__main__" and sys.modules.get(value.__name__) is value
        if kind is types.BuiltinFunctionType:
            return isinstance(value.__self__, types.ModuleType) and id(value) not in _REFLECTING
        if kind is np.ndarray:
            self._has_attributes = True
            return self._is_read_only(value)
        if kind is types.FunctionType:
            if is_importable(value):
                return id(value) not in _REFLECTING
            self._has_attributes = True
            return self._is_immutable_function(value, is_handed)
        return isinstance(value, type) and is_importable(value)


def _held_by(function: types.FunctionType, code: _Code) -> Iterator[tuple[Any, bool]]:
    """Yield what a function holds, and whether its code hands that to other code."""
    variables = function.__globals__
    yield from ((variables[name], name in code.handed) for name in code.names if name in variables)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield cell.cell_contents, name in code.handed
        except ValueError:  # it is empty
            continue
    others = (function.__defaults__ or ()), (function.__kwdefaults__ or {}).values(), function.__dict__.values()
    yield from ((value, True) for values in others for value in values)
    yield from ((value, True) for value in getattr(function, "__type_params__", ()))


@lru_cache(maxsize=4096)
def _facts_of(code: types.CodeType) -> _Code:
    names, handed, cells, rebinds, sets_attributes = set(), set(), set(), False, False
    instructions = list(dis.get_instructions(code))
    for position, instruction in enumerate(instructions):
        operation, argument = instruction.opname, instruction.argval
        if operation in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.add(argument)
        elif operation in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            rebinds = True
        elif operation in ("STORE_DEREF", "DELETE_DEREF"):
            cells.add(argument)
        elif operation in ("STORE_ATTR", "DELETE_ATTR"):
            sets_attributes = True
        if operation in _LOADS and not _is_only_called_or_read(instructions, position):
            handed.add(argument)
    # The methods that a class inside defines do not count; a text does, since it may be an argument of `getattr`.
    used = {i.argval for i in instructions if i.opcode in _NAMING and i.opname != "STORE_NAME"}
    used.update(text for text in code.co_consts if isinstance(text, str) and "_" in text)
    rebinds = rebinds or not _REFLECTION.isdisjoint(used)
    inner = [_facts_of(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return _Code(
        names=frozenset(names).union(*(facts.names for facts in inner)),
        handed=frozenset(handed).union(*(facts.handed for facts in inner)),
        rebinds=rebinds or any(facts.rebinds for facts in inner),
        cells=frozenset(cells).union(*(facts.cells for facts in inner)),
        sets_attributes=sets_attributes or any(facts.sets_attributes for facts in inner),
    )


def _is_only_called_or_read(instructions: list[dis.Instruction], position: int) -> bool:
    """Return whether code only calls what the instruction at ``position`` loads, or reads an attribute of it."""
    load, following = instructions[position], instructions[position + 1]
    if following.opname in _READS_AN_ATTRIBUTE:
        return True
    if load.opname == "LOAD_GLOBAL":
        return bool(load.arg is not None and load.arg & 1)  # it also pushes the mark of a call
    # The mark of a call stands before the function up to Python 3.12, and after it since then.
    mark = following if sys.version_info >= (3, 13) else instructions[max(position - 1, 0)]
    return mark.opname == "PUSH_NULL"
