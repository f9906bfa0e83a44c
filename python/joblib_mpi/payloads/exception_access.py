"""Access to exceptions past their classes' methods and properties, which may refuse it or raise anything.

A frozen dataclass refuses every attribute: ``__cause__``, ``__traceback__`` and notes as well as those of its fields.
"""

import types
from typing import Any

_CAUSE = vars(BaseException)["__cause__"]
_TRACEBACK = vars(BaseException)["__traceback__"]
_CONTEXT = vars(BaseException)["__context__"]
_DICTIONARY = vars(BaseException)["__dict__"]
_ARGS = vars(BaseException)["args"]
_QUALIFIED_NAME = vars(type)["__qualname__"]

#: Attributes that Python itself keeps outside of an exception's dictionary; slots are among them.
MEMBERS = types.MemberDescriptorType | types.GetSetDescriptorType


def attributes_of(error: BaseException) -> dict[str, Any]:
    """Return the dictionary in which an exception has its attributes, notes among them."""
    found: dict[str, Any] = _DICTIONARY.__get__(error)
    return found


def args_of(error: BaseException) -> tuple[Any, ...]:
    """Return the ``args`` of an exception."""
    found: tuple[Any, ...] = _ARGS.__get__(error)
    return found


def set_attribute(error: BaseException, name: str, value: Any) -> None:
    """Set a slot or a built-in attribute of an exception, or else an entry of its dictionary.

    A built-in attribute that cannot be set stays as it is.
    """
    for kind in type(error).__mro__:
        member = vars(kind).get(name)
        if isinstance(member, MEMBERS):
            try:
                member.__set__(error, value)
            except (AttributeError, TypeError):  # it is for reading only
                pass
            return
    attributes_of(error)[name] = value


def set_args(error: BaseException, args: tuple[Any, ...]) -> None:
    """Set the ``args`` of an exception."""
    _ARGS.__set__(error, args)


def set_cause(error: BaseException, cause: BaseException | None) -> None:
    """Set the ``__cause__`` of an exception, and with it that tracebacks show no ``__context__``."""
    _CAUSE.__set__(error, cause)


def drop_chain(error: BaseException) -> None:
    """Take ``__cause__`` and ``__context__`` from an exception."""
    _CAUSE.__set__(error, None)
    _CONTEXT.__set__(error, None)


def accepting_a_traceback(error: BaseException) -> BaseException:
    """Return ``error``, whose ``__traceback__`` can be set by an assignment, once, also if its class refuses that.

    Its class is another one until the assignment. The result is a RuntimeError if the class allows no such change.
    """
    if type(error).__setattr__ is BaseException.__setattr__:
        return error
    try:
        error.__traceback__ = None
        return error
    except BaseException:  # what the class does to refuse it
        pass
    try:
        _change_class(error, _made_to_accept(type(error)))
        return error
    except BaseException:  # from methods that the class calls for the other one
        told = RuntimeError(f"{class_name_of(error)}: {text_of(error)} (its class allows no traceback)")
        set_cause(told, _CAUSE.__get__(error))
        return told


def _made_to_accept(kind: type[BaseException]) -> type:
    def set_once(error: BaseException, name: str, value: Any) -> None:
        _change_class(error, kind)
        if name == "__traceback__":
            BaseException.with_traceback(error, value)
        else:
            setattr(error, name, value)

    names = {"__slots__": (), "__setattr__": set_once, "__module__": kind.__module__, "__doc__": kind.__doc__}
    made: type = type.__new__(type(kind), kind.__name__, (kind,), names)
    return made


def _change_class(error: BaseException, kind: type) -> None:
    object.__setattr__(error, "__class__", kind)


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an exception, as `BaseException.add_note` does."""
    attributes = attributes_of(error)
    notes = attributes.get("__notes__")
    if type(notes) is list:
        notes.append(note)
    else:
        attributes["__notes__"] = [note]


def traceback_of(error: BaseException) -> types.TracebackType | None:
    """Return the ``__traceback__`` of an exception."""
    frames: types.TracebackType | None = _TRACEBACK.__get__(error)
    return frames


def class_name_of(error: BaseException) -> str:
    """Return the qualified name of an exception's class."""
    name: str = _QUALIFIED_NAME.__get__(type(error))
    return name


def text_of(error: BaseException) -> str:
    """Return the text of an exception, or one that says that its class cannot make it."""
    try:
        return str.__str__(str(error))  # a plain string, also if the class makes one of another type
    except BaseException:
        return "<its text cannot be made>"


def repr_of(value: object) -> str:
    """Return the ``repr`` of any value, or a text that says that its class cannot make it."""
    try:
        return str.__str__(repr(value))
    except BaseException:
        return f"<{_QUALIFIED_NAME.__get__(type(value))}, whose repr cannot be made>"
