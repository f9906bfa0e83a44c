"""Errors of tasks as bytes, for their way from an executor to the caller, and as the caller sees them."""

import os
import pickle
import traceback
from types import TracebackType

from joblib_mpi.payloads.pickling import Pickler

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class RemoteTraceback(Exception):
    """The ``__cause__`` of an exception that a task has raised: a text with rank, host and traceback of the task."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0].rstrip()}\n"


class WorkerImportError(ImportError):
    """A task needs a module, function or class that its worker rank cannot import."""


class TaskCancelled(BaseException):
    """Raised in a running task whose call has ended. It is no ``Exception``, so that most code does not catch it."""


def pack_error(error: BaseException) -> bytes:
    """Return ``error`` and its traceback as bytes; an error that cannot be pickled becomes text."""
    error.__traceback__ = without_own_frames(error.__traceback__)
    text = "".join(traceback.format_exception(error))
    return pickle.dumps((_pickled(error), f"{type(error).__qualname__}: {_said_by(error)}", text))


def unpack_error(head: bytes, where: str) -> BaseException:
    """Return the exception that `pack_error` has packed, with a `RemoteTraceback` that names ``where`` as its cause."""
    pickled, summary, text = pickle.loads(head)
    try:
        error = pickle.loads(pickled) if pickled is not None else RuntimeError(summary)
    except Exception as load_error:
        error = RuntimeError(f"{summary} (the exception itself cannot be unpickled here: {load_error!r})")
    error.__cause__ = RemoteTraceback(f"Raised by a task on {where}:\n\n{text}")
    return error


def import_error(error: BaseException) -> WorkerImportError:
    """Return the error that explains why a worker could not unpickle a task."""
    module = getattr(error, "name", None) if isinstance(error, ImportError) else None
    fix = "register_pickle_by_value(" + (module or "the module") + ")"
    return WorkerImportError(
        f"a task needs something that its worker rank cannot import: {error}. Install the module in the same "
        "environment on every node, or put its file beside the script, or send its content along with "
        f"cloudpickle.{fix} before the call.",
        name=module,
    )


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


def _pickled(error: BaseException) -> bytes | None:
    for attempt in (_as_it_is, _without_chain):
        try:
            data, _ = Pickler().dumps(attempt(error), in_band=True)
            # An exception whose __init__ has other arguments often can be pickled, and fails here.
            if isinstance(pickle.loads(data), BaseException):
                return data
        except (Exception, SystemExit):  # an exception's methods are user code, which may even exit
            continue
    return None


def _as_it_is(error: BaseException) -> BaseException:
    return error


def _without_chain(error: BaseException) -> BaseException:
    error.__cause__ = error.__context__ = None
    return error


def _said_by(error: BaseException) -> str:
    try:
        return str(error)
    except (Exception, SystemExit):
        return "<its text cannot be made>"
