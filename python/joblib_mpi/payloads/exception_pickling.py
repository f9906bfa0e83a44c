"""Exceptions as pickles that hold as much of them as can be sent, also where methods of their classes fail."""

import pickle
from collections.abc import Callable
from typing import Any

from joblib_mpi.payloads.exception_access import class_name_of, drop_chain, repr_of, text_of
from joblib_mpi.payloads.pickling import AnswerPickler
from joblib_mpi.payloads.reducers import parts_of_exception, rebuild_exception, reduce_exception

#: The pickle of an exception, if it has one, and its class and text for a process that cannot load the pickle.
PackedException = tuple[bytes | None, str]

#: Longer lists and tuples with something that cannot be pickled are not looked into, which would take long.
_MOST_ITEMS = 100

_NOT_SENT = object()


def pack_exception(error: BaseException) -> PackedException:
    """Return an exception for `load_exception`; what cannot be pickled of it is left out, or becomes text."""
    return _Packing().packed(error)


def load_exception(pickled: bytes | None, summary: str) -> BaseException:
    """Return the exception that `pack_exception` has packed, or a RuntimeError with its text."""
    if pickled is None:
        return RuntimeError(summary)
    try:
        error = pickle.loads(pickled)
    except BaseException as load_error:
        return RuntimeError(f"{summary} (the exception itself cannot be unpickled here: {repr_of(load_error)})")
    return error if isinstance(error, BaseException) else RuntimeError(summary)


class _Call:
    """A value that the receiver gets from a call of a function."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


class _Packing:
    """Packs one exception and those inside of it, each once."""

    def __init__(self) -> None:
        # By id, with the value itself beside its part so that the id stays its own.
        self._parts: dict[int, tuple[Any, Any]] = {}

    def packed(self, error: BaseException) -> PackedException:
        self._parts[id(error)] = error, _NOT_SENT  # where it is inside of itself
        return self._pickled(error), f"{class_name_of(error)}: {text_of(error)}"

    def _pickled(self, error: BaseException) -> bytes | None:
        attempts = [_as_it_is, _without_chain, self._from_parts]
        if issubclass(type(error), BaseExceptionGroup) and _has_no_pickle_of_its_class(error):
            # First, because one member that the receiver cannot load must not cost it the others.
            attempts.insert(0, self._from_parts)
        for attempt in attempts:
            try:
                data = _pickle_of(attempt(error))
                # Some exceptions can be pickled, and fail here.
                if issubclass(type(pickle.loads(data)), BaseException):
                    return data
            except BaseException:  # from methods of the error, which may raise anything
                continue
        return None

    def _from_parts(self, error: BaseException) -> _Call:
        kind, start, args, state = parts_of_exception(error)
        if issubclass(kind, BaseExceptionGroup):
            message, members = start
            start = message, tuple(map(self._member, members))
        else:
            start = tuple(map(self._part_or_text, start))
        parts = {name: self._part(value) for name, value in state.items()}
        missing = [name for name, part in parts.items() if part is _NOT_SENT]
        sent = {name: part for name, part in parts.items() if part is not _NOT_SENT}
        if missing:
            notes = sent.get("__notes__")
            note = f"Not sent with this exception, because they cannot be pickled: {', '.join(missing)}."
            sent["__notes__"] = [*(notes if type(notes) is list else ()), note]
        return _Call(rebuild_exception, (kind, start, tuple(map(self._part_or_text, args)), sent))

    def _member(self, error: BaseException) -> Any:
        part = self._part(error)
        return _Call(load_exception, (None, f"{class_name_of(error)}")) if part is _NOT_SENT else part

    def _part_or_text(self, value: Any) -> Any:
        part = self._part(value)
        return repr_of(value) if part is _NOT_SENT else part

    def _part(self, value: Any) -> Any:
        if id(value) not in self._parts:
            self._parts[id(value)] = value, _NOT_SENT
            self._parts[id(value)] = value, self._make_part(value)
        return self._parts[id(value)][1]

    def _make_part(self, value: Any) -> Any:
        kind = type(value)
        if issubclass(kind, BaseException):
            return _Call(load_exception, self.packed(value))
        if kind in (tuple, list) and len(value) <= _MOST_ITEMS:
            has_errors = any(issubclass(type(item), BaseException) for item in value)
            if has_errors or not _can_be_pickled(value):
                return kind(map(self._part_or_text, value))
            return value
        return value if _can_be_pickled(value) else _NOT_SENT


def _has_no_pickle_of_its_class(error: BaseException) -> bool:
    return type(error) in (BaseExceptionGroup, ExceptionGroup) or reduce_exception(error) is not NotImplemented


def _pickle_of(value: Any) -> bytes:
    return AnswerPickler().dumps(value, in_band=True)[0]


def _as_it_is(error: BaseException) -> Any:
    return error


def _without_chain(error: BaseException) -> Any:
    drop_chain(error)
    return error


def _can_be_pickled(value: Any) -> bool:
    try:
        pickle.loads(_pickle_of(value))
    except BaseException:  # from methods of the value
        return False
    return True
