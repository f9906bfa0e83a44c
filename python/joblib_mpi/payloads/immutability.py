"""A check that a function which is pickled by value can be kept between tasks: no task can change anything it holds.

The answer is no unless it is certain: then each task gets the function anew.
"""

import datetime
import decimal
import dis
import fractions
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
_IMMUTABLE = {
    *(type(None), type(...), type(NotImplemented), bool, int, float, complex, str, bytes, range, slice),
    *(datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone),
    *(decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern, np.ufunc, logging.Logger),
    *(pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath),
}

#: Names by which code can change what it could not name: variables of its module, attributes of its functions.
_REFLECTION = {
    *("globals", "vars", "exec", "eval", "setattr", "delattr", "update_wrapper"),
    *("__globals__", "__dict__", "__closure__", "__defaults__", "__kwdefaults__", "__code__", "__builtins__"),
    *("__setattr__", "__delattr__", "_getframe", "currentframe", "f_globals", "cell_contents"),
}


class _Code(NamedTuple):
    """Uses that the code of a function makes of what it does not own, with the functions inside it.

    Attributes
    ----------
    names : frozenset of str
        The global variables that it reads.
    rebinds : bool
        Whether it may rebind global variables, or use `_REFLECTION`.
    cells : frozenset of str
        The variables of enclosing functions that it rebinds.
    sets_attributes : bool
        Whether it sets attributes of anything.
    """

    names: frozenset[str]
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


class _Holdings:
    def __init__(self, is_read_only: Callable[[np.ndarray], bool]) -> None:
        self._is_read_only = is_read_only
        self._known: set[int] = set()
        self._has_attributes = False  # something was found whose attributes code could set
        self._sets_attributes = False

    def are_immutable(self, function: types.FunctionType) -> bool:
        found = self._is_immutable_function(function)
        return found and not (self._sets_attributes and self._has_attributes)

    def _is_immutable_function(self, function: types.FunctionType) -> bool:
        if id(function) in self._known:
            self._has_attributes = True  # it can name itself
            return True
        self._known.add(id(function))
        code = _facts_of(function.__code__)
        if code.rebinds or code.cells.intersection(function.__code__.co_freevars):
            return False
        self._sets_attributes |= code.sets_attributes
        return all(self._is_immutable(value) for value in _held_by(function, code))

    def _is_immutable(self, value: Any) -> bool:
        kind = type(value)
        if kind in _IMMUTABLE or (isinstance(value, np.generic | np.dtype) and not isinstance(value, np.void)):
            return True
        if kind is tuple or kind is frozenset:
            return all(self._is_immutable(item) for item in value)
        if kind is types.ModuleType:
            return value.__name__ != "__main__" and sys.modules.get(value.__name__) is value
        if kind is types.BuiltinFunctionType:
            return isinstance(value.__self__, types.ModuleType)
        if kind is np.ndarray:
            self._has_attributes = True
            return self._is_read_only(value)
        if kind is types.FunctionType:
            if is_importable(value):
                return True
            self._has_attributes = True
            return self._is_immutable_function(value)
        return isinstance(value, type) and is_importable(value)


def _held_by(function: types.FunctionType, code: _Code) -> Iterator[Any]:
    variables = function.__globals__
    yield from (variables[name] for name in code.names if name in variables)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it is empty
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from function.__dict__.values()


@lru_cache(maxsize=4096)
def _facts_of(code: types.CodeType) -> _Code:
    names, cells, rebinds, sets_attributes = set(), set(), False, False
    for instruction in dis.get_instructions(code):
        operation, argument = instruction.opname, instruction.argval
        if operation in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.add(argument)
        elif operation in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            rebinds = True
        elif operation in ("STORE_DEREF", "DELETE_DEREF"):
            cells.add(argument)
        elif operation in ("STORE_ATTR", "DELETE_ATTR"):
            sets_attributes = True
    rebinds = rebinds or not _REFLECTION.isdisjoint(code.co_names)
    inner = [_facts_of(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return _Code(
        names=frozenset(names).union(*(facts.names for facts in inner)),
        rebinds=rebinds or any(facts.rebinds for facts in inner),
        cells=frozenset(cells).union(*(facts.cells for facts in inner)),
        sets_attributes=sets_attributes or any(facts.sets_attributes for facts in inner),
    )
