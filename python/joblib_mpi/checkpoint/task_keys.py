"""The keys of a task: two numbers, for its function and its arguments, that are the same in every process.

They are hashes of contents. Differences between two runs of one program have no influence on them: addresses, the order
of sets and dictionaries, the identity of equal strings and arrays, line numbers.
"""

import dis
import enum
import io
import itertools
import operator
import types
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import cloudpickle
import numpy as np

from joblib_mpi import _core
from joblib_mpi.checkpoint.module_content import module_content, submodules
from joblib_mpi.payloads import by_value
from joblib_mpi.payloads.exception_access import text_of
from joblib_mpi.payloads.file_maps import WrittenFile, file_written_through, map_behind
from joblib_mpi.payloads.importable import is_importable, name_in_module
from joblib_mpi.payloads.reducers import cached_function, own_attributes_of_cache

#: The number of definitions that are remembered. Arguments that are loaded for their key bring new ones for each task.
_REMEMBERED = 4096

#: Returns the same object as long as nothing changes in the memory between two addresses, or None if that is not known.
Unchanged = Callable[[int, int], object | None]

#: Kinds of callables that are pickled as a name and are neither Python functions nor classes.
_FOUND_BY_NAME = {
    "builtin_function_or_method",
    "cython_function_or_method",
    "fused_cython_function",
    "_lru_cache_wrapper",
}

_GLOBAL_NAMES = {"LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME"}

#: By module and name, what scikit-learn adds to each task that has no influence on its result: an attribute, or the
#: whole object for None. These are contexts (from 1.9 on) and the warning filters of wrapped functions.
_ASIDE = {
    ("sklearn.callback._callback_context", "CallbackContext"): None,
    ("sklearn.utils.parallel", "_FuncWrapper"): "warning_filters",
}

#: Entries of a class's dictionary that do not come from its definition.
_NOT_DEFINED = {
    "__dict__",
    "__weakref__",
    "__module__",
    "__doc__",
    "__firstlineno__",
    "__static_attributes__",
    "_abc_impl",
}


class TaskKeys:
    """Computes the keys of one call's tasks; for one thread at a time.

    A function contributes its code, its defaults and what its closure holds. One that workers can import also
    contributes the content of its module; any other function, its attributes and everything that it refers to. A class
    that workers can import contributes the content of its module and its bases. An array contributes dtype, shape and
    elements. It is hashed for each task, or once if it is a map of a file or known to be unchanged. Every other object
    contributes its pickle, in which functions, classes and arrays are replaced by their hashes.

    Parameters
    ----------
    extra : object, optional
        Content that counts for each task, as if the function referred to it. Anything that can be pickled; None adds
        nothing.
    unchanged : callable, optional
        An `Unchanged`.

    Attributes
    ----------
    written_file : WrittenFile or None
        A file that tasks can write to through a memory map in what was hashed, if there was one.

    Raises
    ------
    CheckpointError
        ``extra`` has no content to compare.
    """

    def __init__(self, extra: Any = None, unchanged: Unchanged = lambda begin, end: None) -> None:
        self.written_file: WrittenFile | None = None
        self._unchanged = unchanged
        self._arrays: dict[int, _Hashed] = {}
        self._remembered: dict[int, tuple[Any, bytes]] = {}  # by id: what keeps the id its object's own, and the hash
        self._under_way: set[int] = set()
        self._is_imported = False  # True inside what workers import, whose globals are not those of this process
        self._extra: bytes | None = None
        if extra is None:
            return
        try:
            self._extra = self._hash(extra)
        except Exception as error:
            raise _core.CheckpointError(
                f"checkpoint_key={extra!r} has no content that a checkpoint could compare: "
                f"{type(error).__name__}: {text_of(error)}. Pass something that can be pickled"
            ) from error

    def key(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[int, int]:
        """Return the keys of function and arguments.

        Raises
        ------
        CheckpointError
            The function or an argument cannot be pickled, or refers to itself.
        """
        name = getattr(function, "__name__", type(function).__name__)
        try:
            content = self._hash(function)
            if self._extra is not None:
                content = self._hash((content, self._extra))
            return _number(content), _number(self._hash((tuple(args), dict(kwargs))))
        except Exception as error:
            raise _core.CheckpointError(
                f'the function or an argument of task "{name}" has no content that a checkpoint could compare: '
                f"{type(error).__name__}: {text_of(error)}. Pass something that can be pickled and does not contain "
                "itself, or run this call without checkpoint"
            ) from error

    def _hash(self, value: Any) -> bytes:
        file = io.BytesIO()
        _ContentPickler(file, self).dump(value)
        return _core.content_hash(file.getbuffer())

    def content(self, value: Any) -> Any:
        """Return the stand-in for ``value`` in a pickle, or None if it is pickled as it is."""
        kind = type(value)
        if isinstance(value, np.ndarray) and self.written_file is None:
            self.written_file = file_written_through(value)
        canonical = _CANONICAL.get(kind)
        if canonical is not None:
            return canonical(self, value)
        if (kind.__module__, kind.__qualname__) in _ASIDE:
            aside = _ASIDE[kind.__module__, kind.__qualname__]
            members = {} if aside is None else vars(value)
            return kind.__qualname__, {name: member for name, member in members.items() if name != aside}
        if isinstance(value, type):
            return self._definition(value, self._class)
        if kind.__name__ in _FOUND_BY_NAME and isinstance(getattr(value, "__module__", None), str):
            return self._definition(value, self._found_by_name)
        if kind in (np.ndarray, np.memmap):
            return self._array(value)
        return None

    def _dict(self, value: dict[Any, Any]) -> Any:
        if {type(key) for key in value} in ({str}, {int}):
            return "dict", [(key, value[key]) for key in sorted(value)]
        return "dict", sorted((self._hash(key), self._hash(item)) for key, item in value.items())

    def _set(self, value: set[Any] | frozenset[Any]) -> Any:
        return type(value).__name__, sorted(map(self._hash, value))

    def _array(self, array: Any) -> Any:
        if array.dtype.hasobject:
            return "array", array.dtype.str, array.shape, array.reshape(-1).tolist()
        whole = map_behind(array)
        watch: object | None = None if whole is None else whole.mapped
        if watch is None:
            begin = array.__array_interface__["data"][0]
            watch = self._unchanged(begin, begin + array.nbytes)
        known = self._arrays.get(id(array))
        if known is not None and known.watch is watch is not None:
            return known.content
        fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        elements = np.ascontiguousarray(array.T if fortran else array).reshape(-1).view(np.uint8)
        described = repr((array.dtype.descr, array.shape, fortran)).encode()
        content = b"array" + _core.content_hash(described) + _core.content_hash(elements)
        if watch is not None:
            key = id(array)
            self._arrays[key] = _Hashed(weakref.ref(array, lambda _: self._arrays.pop(key, None)), watch, content)
        return content

    def _definition(self, value: Any, describe: Callable[[Any], Any]) -> Any:
        if is_importable(value):
            return self._imported_definition(value, describe)
        # Functions and classes are remembered for the call, because many tasks have the same ones.
        known = None if self._is_imported else self._remembered.get(id(value))
        if known is not None:
            return known[1]
        name = f"{value.__module__}.{name_in_module(value)}"
        if id(value) in self._under_way:
            return "the definition under way of", name
        self._under_way.add(id(value))
        try:
            content = b"definition" + self._hash((name, describe(value)))
        finally:
            self._under_way.discard(id(value))
        if not self._under_way:  # a definition inside another one may have been cut short
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[id(value)] = value, content
        return content

    def _imported_definition(self, value: Any, describe: Callable[[Any], Any]) -> bytes:
        # Remembered while it lives, as it was at first: workers have what the import has made, not what calls in this
        # process have done to it since.
        state = tuple(getattr(value, name, None) for name in ("__code__", "__defaults__", "__kwdefaults__"))
        known = _imported.get(id(value))
        if known is not None and known.value() is value and all(map(operator.is_, known.state, state)):
            return known.content
        name = f"{value.__module__}.{name_in_module(value)}"
        if id(value) in self._under_way:
            return b"the definition under way of " + name.encode()
        self._under_way.add(id(value))
        was_imported, self._is_imported = self._is_imported, True
        try:
            module = module_content(value.__module__, self._hash)
            content = b"imported" + self._hash((name, describe(value), module))
        finally:
            self._under_way.discard(id(value))
            self._is_imported = was_imported
        if not self._under_way:
            key = id(value)
            _imported[key] = _Imported(weakref.ref(value, lambda _: _imported.pop(key, None)), state, content)
        return content

    def _found_by_name(self, value: Any) -> Any:
        kind, function = type(value).__name__, getattr(value, "__wrapped__", None)
        if kind != "_lru_cache_wrapper" or self._is_imported or (cached := cached_function(value)) is None:
            return kind, function
        attributes = own_attributes_of_cache(value, cached)
        return (kind, cached, attributes) if attributes else (kind, cached)

    def _function(self, function: types.FunctionType) -> Any:
        return self._definition(function, self._code_and_references)

    def _code_and_references(self, function: types.FunctionType) -> Any:
        code, defaults, cells = function.__code__, function.__defaults__, function.__closure__ or ()
        if self._is_imported:
            kwdefaults = sorted((function.__kwdefaults__ or {}).items())
            values = [*(defaults or ()), *(value for _, value in kwdefaults), *map(_cell_content, cells)]
            counts = len(defaults or ()), [name for name, _ in kwdefaults]
            return code, counts, [self._hash_if_possible(value) for value in values]
        references = self._references(function)
        return code, defaults, function.__kwdefaults__, references, list(map(_cell_content, cells)), vars(function)

    def _references(self, function: types.FunctionType) -> list[tuple[str, Any]]:
        names, imports, attributes = _names_in(function.__code__)
        references = [(name, function.__globals__[name]) for name in sorted(names) if name in function.__globals__]
        modules = [value for _, value in references if isinstance(value, types.ModuleType)]
        for module in modules:
            imports.update(submodules(module.__name__, getattr(module, "__path__", ()), attributes))
        return references + [(name, module_content(name, self._hash)) for name in sorted(imports)]

    def _hash_if_possible(self, value: Any) -> bytes:
        # What a library keeps beside its functions may have no content, such as a lock.
        try:
            return self._hash(value)
        except Exception:
            return f"no content: {type(value).__module__}.{type(value).__qualname__}".encode()

    def _class(self, value: type) -> Any:
        if is_importable(value):
            return value.__bases__
        members = {name: member for name, member in vars(value).items() if name not in _NOT_DEFINED}
        content = {
            name: type(member).__name__ if type(member) in _DESCRIPTORS else member for name, member in members.items()
        }
        if isinstance(value, enum.EnumMeta):
            return value.__bases__, content, by_value.attributes_of_members(value)
        return value.__bases__, content

    def _code(self, code: types.CodeType) -> Any:
        counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
        names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
        return "code", code.co_name, code.co_code, _constants_of(code), counts, names

    def _text(self, text: str) -> bytes:
        # A pickle tells which strings are one object, and that depends on the interpreter.
        return text.encode(errors="surrogatepass")

    def _bytes(self, value: bytes) -> bytearray:
        return bytearray(value)

    def _module(self, module: types.ModuleType) -> Any:
        return "module", module.__name__, module_content(module.__name__, self._hash)


#: Parts of classes that the interpreter makes; they have no content.
_DESCRIPTORS = (
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)

_CANONICAL: dict[type, Callable[[TaskKeys, Any], Any]] = {
    str: TaskKeys._text,
    bytes: TaskKeys._bytes,
    dict: TaskKeys._dict,
    set: TaskKeys._set,
    frozenset: TaskKeys._set,
    types.FunctionType: TaskKeys._function,
    types.CodeType: TaskKeys._code,
    types.ModuleType: TaskKeys._module,
}


class _Hashed(NamedTuple):
    """The content of an array as long as its memory is ``watch``."""

    array: weakref.ref[np.ndarray]  # kept for its callback
    watch: object
    content: bytes


class _Imported(NamedTuple):
    """Facts about a function or class that workers can import."""

    value: weakref.ref[Any]
    state: tuple[Any, ...]  # code and defaults, which can be replaced
    content: bytes


#: Functions and classes that workers can import, by id.
_imported: dict[int, _Imported] = {}


class _ContentPickler(cloudpickle.Pickler):
    """Pickles the stand-ins of `TaskKeys`, and every other object as it is."""

    def __init__(self, file: io.BytesIO, keys: TaskKeys) -> None:
        super().__init__(file, protocol=5)
        self._keys = keys

    def persistent_id(self, value: Any) -> Any:
        return self._keys.content(value)


def _number(content: bytes) -> int:
    return int.from_bytes(content[:8], "big")


class _Names(NamedTuple):
    """Names that a function looks up: global variables, modules that it imports, and attributes of anything."""

    variables: set[str]
    imports: set[str]
    attributes: set[str]


def _names_in(code: types.CodeType) -> _Names:
    instructions = list(dis.get_instructions(code))
    names = _Names(
        {instruction.argval for instruction in instructions if instruction.opname in _GLOBAL_NAMES},
        {instruction.argval for instruction in instructions if instruction.opname == "IMPORT_NAME"},
        set(code.co_names),
    )
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            for mine, inner in zip(names, _names_in(constant), strict=True):
                mine |= inner
    return names


def _constants_of(code: types.CodeType) -> tuple[Any, ...]:
    # Without the line number of a class, which its body has as a constant from Python 3.13 on.
    if "__firstlineno__" not in code.co_names:
        return code.co_consts
    instructions = list(dis.get_instructions(code))
    loaded = [instruction.arg for instruction in instructions if instruction.opname == "LOAD_CONST"]
    for load, store in itertools.pairwise(instructions):
        is_line_number = load.opname == "LOAD_CONST" and store.argval == "__firstlineno__"
        if is_line_number and load.arg is not None and loaded.count(load.arg) == 1:
            return *code.co_consts[: load.arg], None, *code.co_consts[load.arg + 1 :]
    return code.co_consts


def _cell_content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None
