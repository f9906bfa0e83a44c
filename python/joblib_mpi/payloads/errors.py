"""Errors of tasks as bytes, for their way from an executor to the caller, and as the caller sees them."""

import os
import pickle
import sys
import traceback
from types import TracebackType
from typing import Any

from joblib_mpi.payloads.pickling import AnswerPickler
from joblib_mpi.payloads.reducers import rebuild_exception

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class RemoteTraceback(Exception):
    """The ``__cause__`` of an exception that a task has raised: a text with rank, host and traceback of the task."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0].rstrip()}\n"


class WorkerImportError(ImportError):
    """A task needs a module, function or class that its worker rank cannot import.

    Attributes
    ----------
    name : str or None
        The module, if that is known.
    worker_version : str or None
        The ``__version__`` of the module, or of its package, that the worker has.
    """

    worker_version: str | None = None

    def with_version_of_program(self) -> "WorkerImportError":
        """Return this error as the program gets it: the text also says whether it has another version of the module."""
        package = (self.name or "").partition(".")[0]
        own = version_of(package)
        if own is None or self.worker_version in (None, own):
            return self
        told = WorkerImportError(
            f"{self.msg} The versions differ: this program has {package} {own}, the worker {self.worker_version}.",
            name=self.name,
        )
        told.worker_version = self.worker_version
        return told


def version_of(module: str) -> str | None:
    """Return the ``__version__`` of a module that this process has imported, if it has one."""
    version = getattr(sys.modules.get(module), "__version__", None)
    return version if isinstance(version, str) else None


class TaskCancelled(BaseException):
    """Raised in a running task whose call has ended. It is no ``Exception``, so that most code does not catch it."""


def pack_error(error: BaseException) -> bytes:
    """Return ``error`` and its traceback as bytes; what cannot be pickled of it is left out, or becomes text."""
    error.__traceback__ = without_own_frames(error.__traceback__)
    text = _formatted(error)
    return pickle.dumps((_pickled(error), f"{type(error).__qualname__}: {_said_by(error)}", text))


def unpack_error(head: bytes | memoryview, where: str) -> BaseException:
    """Return the exception that `pack_error` has packed, with a `RemoteTraceback` that names ``where`` as its cause."""
    pickled, summary, text = pickle.loads(head)
    try:
        error = pickle.loads(pickled) if pickled is not None else RuntimeError(summary)
    except BaseException as load_error:
        error = RuntimeError(f"{summary} (the exception itself cannot be unpickled here: {load_error!r})")
    if isinstance(error, WorkerImportError):
        error = error.with_version_of_program()
    error.__cause__ = RemoteTraceback(f"Raised by a task on {where}:\n\n{text}")
    return error


def as_error_of_program(error: BaseException) -> BaseException:
    """Return ``error``, with which a program must not end as if all was well.

    Python ends with status 0 and in silence for a `SystemExit` whose ``code`` is 0 or None. A task that has raised it
    gives it a text as ``code``, so that the program ends with that text and status 1 unless it catches the exception;
    ``args`` stay as they are.
    """
    if isinstance(error, SystemExit) and not error.code:
        error.code = f"a task has called sys.exit, so its call has no results.{error.__cause__ or ''}"
    return error


def without_own_frames(frames: TracebackType | None) -> TracebackType | None:
    """Return a traceback without its first frames, as far as they are in this package."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith((_PACKAGE, "<frozen importlib")):
        frames = frames.tb_next
    return frames


def read_only_hint(error: BaseException) -> str | None:
    """Return advice if ``error`` may come from writing to a shared array, else None."""
    if isinstance(error, ValueError) and "read-only" in str(error):
        return (
            "Arrays given as scatter=[...], and from max_nbytes (1 MB) on all others in the arguments of tasks, are "
            'read-only on the workers, as with joblib\'s other backends: write to a copy, or pass mmap_mode="c" to '
            "Parallel or parallel_config."
        )
    return None


def _formatted(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except BaseException as format_error:  # from methods of the error
        return f"{type(error).__qualname__} (its traceback cannot be made: {type(format_error).__name__})\n"


def _pickled(error: BaseException) -> bytes | None:
    for attempt in (_as_it_is, _without_chain, _without_what_cannot_be_pickled):
        try:
            data = _pickle_of(attempt(error))
            # Some exceptions can be pickled, and fail here.
            if isinstance(pickle.loads(data), BaseException):
                return data
        except BaseException:  # from methods of the error, which may raise anything
            continue
    return None


def _pickle_of(value: Any) -> bytes:
    return AnswerPickler().dumps(value, in_band=True)[0]


def _as_it_is(error: BaseException) -> BaseException:
    return error


def _without_chain(error: BaseException) -> BaseException:
    error.__cause__ = error.__context__ = None
    return error


def _without_what_cannot_be_pickled(error: BaseException) -> BaseException:
    args = tuple(value if _can_be_pickled(value) else repr(value) for value in error.args)
    state = {name: value for name, value in vars(error).items() if _can_be_pickled(value)}
    missing = [name for name in vars(error) if name not in state]
    reduced = rebuild_exception(type(error), args, args, state)
    if missing:
        reduced.add_note(f"Not sent with this exception, because they cannot be pickled: {', '.join(missing)}.")
    return reduced


def _can_be_pickled(value: Any) -> bool:
    try:
        pickle.loads(_pickle_of(value))
    except Exception:
        return False
    return True


def _said_by(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return "<its text cannot be made>"
