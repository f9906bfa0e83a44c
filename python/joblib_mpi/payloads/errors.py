"""Errors of tasks: how they travel from a worker to the caller, and what the caller sees."""

import os
import pickle
import traceback
from types import TracebackType

from joblib_mpi.payloads.pickling import Pickler

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class RemoteTraceback(Exception):
    """The cause of an exception that a task raised: the traceback on its worker.

    Parameters
    ----------
    text : str
        What is shown below the exception's own traceback.
    """

    def __str__(self) -> str:
        return f"\n\n{self.args[0].rstrip()}\n"


class WorkerImportError(ImportError):
    """A task names a module, function or class that its worker rank cannot import."""


class TaskCancelled(BaseException):
    """Raised inside a running task whose call has ended; code that catches ``Exception`` does not stop it."""


def pack_error(error: BaseException) -> bytes:
    """Return ``error`` and its traceback as bytes; what cannot be pickled travels as text."""
    error.__traceback__ = without_own_frames(error.__traceback__)
    text = "".join(traceback.format_exception(error))
    return pickle.dumps((_pickled(error), f"{type(error).__qualname__}: {_said_by(error)}", text))


def unpack_error(head: bytes, where: str) -> BaseException:
    """Return the exception that `pack_error` packed, caused by a `RemoteTraceback` that names ``where``."""
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
    """Return the part of a traceback that begins in the user's code."""
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith((_PACKAGE, "<frozen importlib")):
        frames = frames.tb_next
    return frames


def read_only_hint(error: BaseException) -> str | None:
    """Return what to do about a write to a shared array, if ``error`` may come from one."""
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
            # An exception with its own __init__ arguments often pickles and then fails here.
            if isinstance(pickle.loads(data), BaseException):
                return data
        except Exception:
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
    except Exception:
        return "<its text cannot be made>"
