"""The function that joblib's users have called in each worker process before its first task."""

import pickle
from collections.abc import Mapping
from typing import Any

from joblib_mpi.payloads.exception_access import text_of
from joblib_mpi.payloads.pickling import Pickler


def pickled_initializer(options: Mapping[str, Any]) -> bytes | None:
    """Return ``initializer`` and ``initargs`` of joblib's options for executors, or None without an initializer.

    Raises
    ------
    TypeError
        ``initializer`` cannot be called.
    PicklingError
        It, or one of its arguments, cannot be pickled.
    """
    function = options.get("initializer")
    if function is None:
        return None
    if not callable(function):
        raise TypeError(f"initializer={function!r}; allowed: None, or a function")
    try:
        return Pickler().dumps((function, tuple(options.get("initargs", ()))), in_band=True)[0]
    except Exception as error:
        raise pickle.PicklingError(
            "initializer or initargs cannot be pickled to send them to the workers: "
            f"{type(error).__name__}: {text_of(error)}"
        ) from error
