"""The functions that an executor keeps between tasks, each as long as no task has changed what it holds."""

import operator
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from joblib_mpi.payloads.importable import is_importable

#: The bytes that the pickles of kept functions may have. Those in objects go when rank 0 drops their objects.
KEPT_BYTES = 2**20

#: A function's pickle, or the id of an object that has it.
FunctionReference = bytes | int

#: What code can replace of a function. Since Python 3.14 annotations are evaluated when they are read.
_parts_of = operator.attrgetter(
    *("__code__", "__defaults__", "__kwdefaults__", "__dict__", "__name__", "__qualname__", "__module__", "__doc__"),
    "__annotate__" if hasattr(types.FunctionType, "__annotate__") else "__annotations__",
)

_layout_of = operator.attrgetter("shape", "strides", "dtype")


class KeptFunctions:
    """Functions by reference, the least recently used first; for one thread only.

    A function that a task has changed is dropped, and not kept again.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[FunctionReference, _Kept] = OrderedDict()
        self._nbytes = 0
        self._changing: set[FunctionReference] = set()

    def __len__(self) -> int:
        return len(self._kept)

    def functions(self) -> list[Callable[..., Any]]:
        """Return the functions."""
        return [kept.function for kept in self._kept.values()]

    def find(self, reference: FunctionReference) -> Callable[..., Any] | None:
        """Return a function as it was when it was kept, or None."""
        kept = self._kept.get(reference)
        if kept is None:
            return None
        if kept.state is not None and not kept.state.is_unchanged():
            self._changing.add(reference)
            self._drop(reference)
            return None
        self._kept.move_to_end(reference)
        return kept.function

    def keep(self, reference: FunctionReference, function: Callable[..., Any]) -> None:
        """Keep a function that was just loaded, and none of those for which there is no room beside it."""
        if reference in self._changing:
            return
        state = None
        if isinstance(function, types.FunctionType) and not is_importable(function):
            state = HeldState(function)
        nbytes = len(reference) if isinstance(reference, bytes) else 0
        self._kept[reference] = _Kept(function, state, nbytes)
        self._nbytes += nbytes
        while self._nbytes > KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        """Drop all functions."""
        self._kept.clear()
        self._changing.clear()
        self._nbytes = 0

    def _drop(self, reference: FunctionReference) -> None:
        self._nbytes -= self._kept.pop(reference).nbytes


class HeldState:
    """A record of what a function of the script holds, which tells whether a task has changed anything of it.

    It has the variables, attributes, defaults and closures of the function and of those that it refers to, and the
    shapes of arrays. Nothing else that the function refers to can change; `immutability.holds_nothing_mutable` has
    checked that.

    Parameters
    ----------
    function : function
        The function, as it was loaded.
    """

    def __init__(self, function: types.FunctionType) -> None:
        self._functions: list[tuple[types.FunctionType, tuple[Any, ...]]] = []
        self._dictionaries: list[tuple[dict[Any, Any], list[Any]]] = []
        self._empty: list[dict[Any, Any]] = []
        self._cells: list[tuple[types.CellType, Any]] = []
        self._arrays: list[tuple[np.ndarray, tuple[Any, ...]]] = []
        seen: set[int] = set()
        found: list[Any] = [function]
        while found:
            value = found.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            kind = type(value)
            if kind is types.FunctionType and (value is function or not is_importable(value)):
                found.extend(self._record_function(value, seen))
            elif kind is np.ndarray:
                self._arrays.append((value, _layout_of(value)))
            elif kind is tuple or kind is frozenset:
                found.extend(value)

    def is_unchanged(self) -> bool:
        """Return whether all is as it was."""
        # Each task asks, so it has to take less time than to load a small function: about 1 to 5 µs.
        try:
            for function, parts in self._functions:
                if _parts_of(function) != parts:
                    return False
            if any(self._empty):
                return False
            for dictionary, values in self._dictionaries:
                if len(dictionary) != len(values) or not all(map(operator.is_, dictionary.values(), values)):
                    return False
            for cell, content in self._cells:
                if cell.cell_contents is not content:
                    return False
            for array, layout in self._arrays:
                if _layout_of(array) != layout:
                    return False
        except Exception:  # a cell that is empty now, or new parts that cannot be compared
            return False
        return True

    def _record_function(self, function: types.FunctionType, seen: set[int]) -> list[Any]:
        parts = _parts_of(function)
        self._functions.append((function, parts))
        # Python puts it there at the first warning, which is no change that tasks see.
        function.__globals__.setdefault("__warningregistry__", {})
        held = [*(function.__defaults__ or ())]
        for dictionary in (function.__globals__, *(part for part in parts if type(part) is dict)):
            if id(dictionary) in seen:
                continue
            seen.add(id(dictionary))
            values = list(dictionary.values())
            if values:
                self._dictionaries.append((dictionary, values))
                held.extend(values)
            else:
                self._empty.append(dictionary)
        for cell in function.__closure__ or ():
            try:
                held.append(cell.cell_contents)
            except ValueError:  # it is empty, and only code that is not kept can fill it
                continue
            self._cells.append((cell, held[-1]))
        return held


class _Kept(NamedTuple):
    """A function that is kept, with its state if the script has it, and the bytes that count for it."""

    function: Callable[..., Any]
    state: HeldState | None
    nbytes: int
