"""Errors of tasks as bytes, for their way from an executor to the caller, and as the caller sees them."""

import os
import pickle
import sys
import traceback
from types import TracebackType

from joblib_mpi.payloads.exception_access import class_name_of, set_attribute, set_cause, text_of, traceback_of
from joblib_mpi.payloads.exception_pickling import load_exception, pack_exception

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
    """Return ``error`` and its traceback as bytes; what cannot be pickled of it is left out, or becomes text.

    Never raises, also if methods of the exception do.
    """
    try:
        frames = without_own_frames(traceback_of(error))
        BaseException.with_traceback(error, frames)
        text = _formatted(error, frames)
        return pickle.dumps((*pack_exception(error), text))
    except BaseException as pack_error:  # such as a MemoryError
        name = class_name_of(error)
        return pickle.dumps((None, name, f"{name} (its traceback cannot be made: {class_name_of(pack_error)})\n"))


def unpack_error(head: bytes | memoryview, where: str) -> BaseException:
    """Return the exception that `pack_error` has packed, with a `RemoteTraceback` that names ``where`` as its cause."""
    pickled, summary, text = pickle.loads(head)
    error = load_exception(pickled, summary)
    if type(error) is WorkerImportError:
        error = error.with_version_of_program()
    set_cause(error, RemoteTraceback(f"Raised by a task on {where}:\n\n{text}"))
    return error


def as_error_of_program(error: BaseException) -> BaseException:
    """Return ``error``, with which a program must not end as if all was well.

    Python ends with status 0 and in silence for a `SystemExit` whose ``code`` is 0 or None. A task that has raised it
    gives it a text as ``code``, so that the program ends with that text and status 1 unless it catches the exception;
    ``args`` stay as they are.
    """
    if not issubclass(type(error), SystemExit) or _code_of(error):
        return error
    text = f"a task has called sys.exit, so its call has no results.{error.__cause__ or ''}"
    set_attribute(error, "code", text)
    if _code_of(error):
        return error
    told = SystemExit(text)  # its class makes the code that Python would end with
    set_cause(told, error.__cause__)
    return told


def _code_of(error: BaseException) -> object:
    try:
        return getattr(error, "code", None) or None
    except Exception:  # from a property, or of a value that is neither true nor false
        return None


def without_own_frames(frames: TracebackType | None) -> TracebackType | None:
    """Return a traceback without its first frames, as far as they are in this package."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith((_PACKAGE, "<frozen importlib")):
        frames = frames.tb_next
    return frames


def read_only_hint(error: BaseException) -> str | None:
    """Return advice if ``error`` may come from writing to a shared array, else None."""
    if issubclass(type(error), ValueError) and "read-only" in text_of(error):
        return (
            "Arrays given as scatter=[...], and from max_nbytes (1 MB) on all others in the arguments of tasks, are "
            'read-only on the workers, as with joblib\'s other backends: write to a copy, or pass mmap_mode="c" to '
            "Parallel or parallel_config."
        )
    return None


def _formatted(error: BaseException, frames: TracebackType | None) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except BaseException as format_error:  # from methods of the error
        said = f"{class_name_of(error)}: {text_of(error)} (more cannot be said of it: {class_name_of(format_error)})"
        return "".join(("Traceback (most recent call last):\n", *traceback.format_tb(frames), f"{said}\n"))
