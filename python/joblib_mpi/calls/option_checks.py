"""Checks of single options: each takes a value and the option's name, and returns the value as the backend uses it.

A value of another type is a TypeError, one out of range a ValueError; either text has name and value, and says what is
allowed.
"""

import math
import operator
import os
import re
from collections.abc import Callable
from typing import Any

Check = Callable[[Any, str], Any]

_UNITS = dict(B=1, KB=10**3, MB=10**6, GB=10**9, TB=10**12, KIB=2**10, MIB=2**20, GIB=2**30, TIB=2**40)  # noqa: C408


def whole_number(most: int) -> Check:
    """Return a check for integers from 0 to ``most``."""

    def check(value: Any, name: str) -> int:
        text = f"{name}={value!r}; allowed: a whole number from 0 to {most}"
        if isinstance(value, bool) or not hasattr(type(value), "__index__"):
            raise TypeError(text)
        if not 0 <= operator.index(value) <= most:
            raise ValueError(text)
        return operator.index(value)

    return check


def one_of(*words: str) -> Check:
    """Return a check for these words."""

    def check(value: Any, name: str) -> str:
        for word in words:
            if value == word:
                return word
        raise ValueError(f"{name}={value!r}; allowed: " + ", ".join(f'"{word}"' for word in words))

    return check


def anything(value: Any, name: str) -> Any:
    """Accept every value."""
    return value


def truth(value: Any, name: str) -> bool:
    """Check for True and False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name}={value!r}; allowed: True, False")
    return value


def optional_truth(value: Any, name: str) -> bool | None:
    """Check for True, False and None."""
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{name}={value!r}; allowed: True, False, None")
    return value


def optional_seconds(value: Any, name: str) -> float | None:
    """Check for None and finite numbers above 0."""
    if value is None:
        return None
    text = f"{name}={value!r}; allowed: None, or seconds above 0"
    try:
        seconds = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(text) from error
    if not 0 < seconds < math.inf:
        raise ValueError(text)
    return seconds


def memory_bytes(value: Any, name: str) -> int | None:
    """Check for None, bytes above 0, and texts such as "500MB" or "2GiB"; returns bytes."""
    if value is None:
        return None
    text = f'{name}={value!r}; allowed: None, a number of bytes above 0, or a text such as "500MB" or "2GiB"'
    if isinstance(value, str):
        parts = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*", value, re.ASCII)
        if parts is None or (parts[2] or "B").upper() not in _UNITS:
            raise ValueError(text)
        value = int(float(parts[1]) * _UNITS[(parts[2] or "B").upper()])
    elif isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(text)
    if not 0 < operator.index(value) < 2**63:
        raise ValueError(text)
    return operator.index(value)


def optional_file(value: Any, name: str) -> str | None:
    """Check for None and the path of a file; returns it absolute."""
    text = f'{name}={value!r}; allowed: None, or the path of a file such as "run.h5"'
    path = _optional_path(value, text)
    if path is not None and path.endswith(os.sep):
        raise ValueError(text)
    return None if path is None else os.path.abspath(path)


def optional_folder(value: Any, name: str) -> str | None:
    """Check for None and the path of a folder; returns it absolute."""
    path = _optional_path(value, f"{name}={value!r}; allowed: None, or the path of a folder that all nodes share")
    return None if path is None else os.path.abspath(path)


def optional_compression(value: Any, name: str) -> str | None:
    """Check for None and texts; which of them HDF5 knows, the compiled part says."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f'{name}={value!r}; allowed: None, "none", "gzip", "gzip:6"')
    return value


def _optional_path(value: Any, text: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike) or not isinstance(path := os.fspath(value), str):
        raise TypeError(text)
    if not path:
        raise ValueError(text)
    return path
