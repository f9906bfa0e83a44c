"""Functions and classes of the script, which are pickled by value: each load gives them the state in that pickle.

cloudpickle makes one class of all pickles of a class, so that instances from different pickles have one type. It sets
the attributes that a pickle has, and leaves those that something has added since, as well as bases, names and members
of an enumeration. Here a load gives a class exactly what is in the pickle; only in the process that the class comes
from, a load changes nothing. Results name classes of rank 0, because what a task has done to its copy of a class must
not reach the script's.
"""

import enum
import operator
import sys
import types
import uuid
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from joblib_mpi.payloads.main_names import is_executor, show

#: What `pickle` gets of an object that cloudpickle pickles by value: constructor, arguments, state, None, None, setter.
Reduction = tuple[Any, Any, Any, None, None, Callable[[Any, Any], Any]]

_ids: "weakref.WeakKeyDictionary[type, str]" = weakref.WeakKeyDictionary()  # of the classes of this process
_by_id: "weakref.WeakValueDictionary[str, type]" = weakref.WeakValueDictionary()
_loaded: "weakref.WeakKeyDictionary[type, str]" = weakref.WeakKeyDictionary()  # ids of classes of other processes
_n_loads = 0


def is_by_value(reduced: Any) -> bool:
    """Return whether cloudpickle's reduction of a function or class has its content and not only its name."""
    return isinstance(reduced, tuple) and len(reduced) == 6


def with_exact_state(value: Any, reduced: Reduction) -> Reduction:
    """Return the reduction of a function or class whose load sets the state that the pickle has, and nothing else."""
    make, arguments, state, _, _, setter = reduced
    if not isinstance(value, type):
        return make, arguments, (state, setter), None, None, _set_function_state
    class_id = _ids.get(value)
    if class_id is None:
        class_id = _loaded.get(value) or uuid.uuid4().hex
        _ids[value] = class_id
        _by_id[class_id] = value
    if "__slots__" in vars(value):
        arguments, state = _with_slots(value, arguments, state)
    shape = tuple(_shape_of(value, state[0]))  # a plain tuple, since most pickles with classes are small and many
    return make, arguments, (shape, state, setter, class_id), None, None, _set_class_state


class _Shape(NamedTuple):
    """The parts of a class that cloudpickle does not give to one that a process has already.

    Attributes
    ----------
    kind : type
        Its metaclass.
    bases : tuple of type
        Its bases.
    name, qualified_name : str
        Its names.
    not_sent : tuple of str
        The names of attributes that Python makes, so that they do not travel.
    members : dict of str to dict, or None
        The attributes of an enumeration's members.
    """

    kind: type
    bases: tuple[type, ...]
    name: str
    qualified_name: str
    not_sent: tuple[str, ...]
    members: dict[str, dict[str, Any]] | None


# As `type` has them, since a metaclass may have others under these names.
_NAME, _QUALIFIED_NAME, _BASES = (vars(type)[name] for name in ("__name__", "__qualname__", "__bases__"))
_CLASS = vars(object)["__class__"]

#: Attributes that a class cannot do without. cloudpickle leaves out those that are the same in a base.
_LASTING = ("__doc__", "__module__", "__abstractmethods__")

#: Attributes that a load leaves alone.
_LEFT_ALONE = frozenset((*_LASTING, "__dict__", "__weakref__"))


def _shape_of(value: type, sent: dict[str, Any]) -> _Shape:
    attributes = vars(value)
    for name in _LASTING:
        if name in attributes:
            sent.setdefault(name, attributes[name])
    kind, bases = type(value), _BASES.__get__(value)
    is_enumeration = issubclass(kind, enum.EnumMeta)
    not_sent = tuple(
        name
        for name in attributes.keys() - sent.keys() - _LEFT_ALONE
        if (is_enumeration and _is_made_by_enum(name)) or not _is_attribute_of(bases, name, attributes[name])
    )
    members = attributes_of_members(value) if is_enumeration else None
    return _Shape(kind, bases, _NAME.__get__(value), _QUALIFIED_NAME.__get__(value), not_sent, members)


def attributes_of_members(enumeration: type) -> dict[str, dict[str, Any]]:
    """Return the attributes of an enumeration's members beyond name and value, and the values that can change."""
    return {name: _attributes_of_member(member) for name, member in _members_of(enumeration).items()}


def _members_of(enumeration: type) -> Mapping[str, Any]:
    found: Mapping[str, Any] = vars(enumeration).get("_member_map_", {})
    return found


def _is_attribute_of(bases: tuple[type, ...], name: str, attribute: Any) -> bool:
    return any(name in vars(base) and vars(base)[name] is attribute for base in bases)


def _is_made_by_enum(name: str) -> bool:
    return name.startswith("_") and name.endswith("_")


def _attributes_of_member(member: Any) -> dict[str, Any]:
    own = getattr(member, "__dict__", {})
    attributes = {name: value for name, value in own.items() if not _is_made_by_enum(name)}
    if type(member._value_).__hash__ is None:  # it is a list, or something else that can change
        attributes["_value_"] = member._value_
    return attributes


def _with_slots(value: type, arguments: Any, state: Any) -> tuple[Any, Any]:
    # cloudpickle makes a class without slots, whose instances have a dictionary.
    attributes, others = state
    for name, attribute in list(attributes.items()):
        if isinstance(attribute, types.MemberDescriptorType) and attribute.__objclass__ is value:
            del attributes[name]
    kind, name, bases, keywords, *rest = arguments
    return (kind, name, bases, {**keywords, "__slots__": vars(value)["__slots__"]}, *rest), (attributes, others)


def reference_to(value: type) -> Any:
    """Return the reduction of a class of rank 0 to its name, for a result; None for other classes.

    A class inside a function has no name by which a later run, which reads the result from a checkpoint, could find it.
    """
    class_id = _loaded.get(value)
    if class_id is None and not is_executor():  # rank 0, unlike an executor, keeps the classes that it has pickled
        class_id = _ids.get(value)
    if class_id is None or "<locals>" in value.__qualname__:
        return None
    return _class_of_script, (class_id, value.__module__, value.__qualname__)


def n_loads() -> int:
    """Return how many functions and classes this process has loaded by value."""
    return _n_loads


def _class_of_script(class_id: str, module: str, qualified_name: str) -> Any:
    found: Any = _by_id.get(class_id)
    if found is None:  # an earlier run has made the result
        found = sys.modules[module]
        for name in qualified_name.split("."):
            found = getattr(found, name)
    return found


def _set_function_state(function: Any, packed: Any) -> None:
    global _n_loads
    _n_loads += 1
    state, setter = packed
    setter(function, state)
    show(function)


def _set_class_state(value: type, packed: tuple[Iterable[Any], Any, Callable[[Any, Any], Any], str]) -> None:
    global _n_loads
    _n_loads += 1
    if value in _ids:
        return
    parts, state, setter, class_id = packed
    shape = _Shape._make(parts)
    if value in _loaded:
        _reshape(value, shape)
    else:
        _loaded[value] = class_id
        _by_id[class_id] = value
        _QUALIFIED_NAME.__set__(value, shape.qualified_name)
    for name in vars(value).keys() - state[0].keys() - _LEFT_ALONE:
        if name not in shape.not_sent:
            type.__delattr__(value, name)
    setter(value, state)
    for name, attributes in (shape.members or {}).items():
        _set_attributes_of_member(_members_of(value)[name], attributes)
    show(value)


def _reshape(value: type, shape: _Shape) -> None:
    if type(value) is not shape.kind:
        _CLASS.__set__(value, shape.kind)
    if _NAME.__get__(value) != shape.name:
        _NAME.__set__(value, shape.name)
    if _QUALIFIED_NAME.__get__(value) != shape.qualified_name:
        _QUALIFIED_NAME.__set__(value, shape.qualified_name)
    bases = _BASES.__get__(value)
    if len(bases) != len(shape.bases) or any(map(operator.is_not, bases, shape.bases)):
        _BASES.__set__(value, shape.bases)


def _set_attributes_of_member(member: Any, attributes: dict[str, Any]) -> None:
    own = getattr(member, "__dict__", {})
    for name in [name for name in own if name not in attributes and not _is_made_by_enum(name)]:
        del own[name]
    own.update(attributes)
