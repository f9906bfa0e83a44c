"""The functions that an executor keeps between tasks, each as long as no task has changed what it holds."""

import operator
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from joblib_mpi.payloads import main_names
from joblib_mpi.payloads.immutability import hands_over_what_it_holds
from joblib_mpi.payloads.importable import is_importable

#: The bytes that the pickles of kept functions may have at least.
LEAST_KEPT_BYTES = 2**20

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

    A function that a task has changed through other code is dropped, and not kept again. Those that are kept are shown
    in ``__main__``.

    Attributes
    ----------
    limit_bytes : int
        The bytes that the pickles of the functions may have, with the arrays of which the functions have copies. One
        function is kept also if it alone has more.
    """

    def __init__(self) -> None:
        self.limit_bytes = LEAST_KEPT_BYTES
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
        if kept.state is not None:
            if kept.is_watched and not kept.state.is_unchanged():
                self._changing.add(reference)
                self._drop(reference)
                return None
            if kept.n_changes != main_names.n_changes():  # another function may be shown under its name
                kept.show(kept.state)
        self._kept.move_to_end(reference)
        return kept.function

    def make_room(self, reference: FunctionReference, nbytes: int) -> None:
        """Drop functions until another one, whose pickle has ``nbytes`` bytes, can be loaded and kept."""
        if reference in self._changing:
            return  # it will not be kept
        while self._kept and self._nbytes + nbytes > self.limit_bytes:
            self._drop(next(iter(self._kept)))

    def keep(self, reference: FunctionReference, function: Callable[..., Any], nbytes: int) -> None:
        """Keep a function that was just loaded, after `make_room`."""
        if reference in self._changing:
            return
        kept = self._kept[reference] = _Kept(function, nbytes)
        self._nbytes += nbytes
        if isinstance(function, types.FunctionType) and not is_importable(function):
            kept.state = HeldState(function)
            kept.is_watched = hands_over_what_it_holds(function)
            kept.show(kept.state)

    def clear(self) -> None:
        """Drop all functions."""
        while self._kept:
            self._drop(next(iter(self._kept)))
        self._changing.clear()

    def _drop(self, reference: FunctionReference) -> None:
        kept = self._kept.pop(reference)
        self._nbytes -= kept.nbytes
        if kept.state is not None:
            main_names.hide(kept.state.functions())


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

    def functions(self) -> list[types.FunctionType]:
        """Return the function and those of the script that it refers to."""
        return [function for function, _ in self._functions]

    def is_unchanged(self) -> bool:
        """Return whether all is as it was."""
        # Each task asks, so it has to take less time than to load a small function does.
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


class _Kept:
    """A function that is kept, the bytes that count for it, and its state if it is one of the script.

    It is watched if other code can change what it holds, and only then, since a look takes as long as an empty task.
    """

    def __init__(self, function: Callable[..., Any], nbytes: int) -> None:
        self.function = function
        self.nbytes = nbytes
        self.state: HeldState | None = None
        self.is_watched = False
        self.n_changes = 0

    def show(self, state: HeldState) -> None:
        main_names.keep_shown(state.functions())
        self.n_changes = main_names.n_changes()
