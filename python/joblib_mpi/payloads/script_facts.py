"""The facts of a process that a script takes for granted: how each is read, sent to another process and set there.

To read all of them takes 30 µs, most of it for the umask and the levels of loggers.
"""

import importlib
import locale
import logging
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from joblib_mpi.payloads.log_handlers import read_handlers, write_handlers

#: The beginnings of variables that are the launcher's: each rank has its values, and children must not inherit them.
LAUNCHER_PREFIXES = tuple(b"OMPI_ PMIX_ PMI_ PRTE_ SLURM_ MPI_LOCAL HYDRA_ PALS_ FLUX_ LSB_ PBS_".split())

#: Variables that bind a rank to devices or cores, or that belong to its host. A worker keeps the value that it was
#: started with if rank 0 was started with another one.
PLACE_VARIABLES = frozenset(
    b"""
    CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES ONEAPI_DEVICE_SELECTOR
    ZE_AFFINITY_MASK GOMP_CPU_AFFINITY KMP_AFFINITY OMP_PLACES OMP_PROC_BIND
    HOSTNAME TMPDIR TEMP TMP XDG_RUNTIME_DIR
    """.split()
)


def _as_it_is(_: Any, now: Any) -> Any:
    return now


class Fact(NamedTuple):
    """One fact.

    Parameters
    ----------
    read : callable
        Returns the value in this process and thread, which is compared with ``==`` and never changed.
    write : callable
        Takes the value that it, or nothing else, has set here before, and the value to set. Raises if it cannot.
    pack : callable
        Takes the value at the session's start and the value now; returns what is sent.
    unpack : callable
        Takes what was sent and the receiver's own value at the start; returns the value to set there.
    """

    read: Callable[[], Any]
    write: Callable[[Any, Any], None]
    pack: Callable[[Any, Any], Any] = _as_it_is
    unpack: Callable[[Any, Any], Any] = lambda sent, own: sent


def _read_environment() -> dict[bytes, bytes]:
    # A copy of the encoded variables takes 0.1 µs and one of `os.environb` 30, but only the latter is documented.
    encoded = getattr(os.environ, "_data", os.environb)
    return dict(encoded)


def _pack_environment(start: dict[bytes, bytes], now: dict[bytes, bytes]) -> list[tuple[bytes, Any, Any]]:
    names = sorted(name for name in start.keys() | now.keys() if start.get(name) != now.get(name))
    return [(name, start.get(name), now.get(name)) for name in names if not name.startswith(LAUNCHER_PREFIXES)]


def _unpack_environment(sent: list[tuple[bytes, Any, Any]], own: dict[bytes, bytes]) -> dict[bytes, bytes]:
    variables = own.copy()
    for name, start, now in sent:
        if name in PLACE_VARIABLES and own.get(name) != start:
            continue
        if now is None:
            variables.pop(name, None)
        else:
            variables[name] = now
    return variables


def _write_environment(before: dict[bytes, bytes], variables: dict[bytes, bytes]) -> None:
    changed = {name for name in before.keys() | variables.keys() if before.get(name) != variables.get(name)}
    for name in changed:
        if name in variables:
            os.environb[name] = variables[name]
        else:
            os.environb.pop(name, None)
    # What the C library and `tempfile` have made of an old value:
    if b"TZ" in changed:
        time.tzset()
    if not changed.isdisjoint((b"TMPDIR", b"TEMP", b"TMP")):
        tempfile.tempdir = None


def _pack_path(start: list[Any], now: list[Any]) -> tuple[list[Any], list[Any]]:
    return start, [entry for entry in now if isinstance(entry, str)]  # Python ignores all others


def _unpack_path(sent: tuple[list[Any], list[Any]], own: list[Any]) -> list[Any]:
    # Python itself may be installed in another folder on the receiver's host.
    start, now = sent
    own_entry = dict(zip(start, own, strict=True)) if len(start) == len(own) else {}
    return [own_entry.get(entry, entry) for entry in now]


def _write_path(_: Any, path: list[Any]) -> None:
    sys.path[:] = path
    importlib.invalidate_caches()


def _write_arguments(_: Any, arguments: list[str]) -> None:
    sys.argv[:] = arguments


def _read_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _write_folder(_: Any, folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)
        importlib.invalidate_caches()  # for relative entries of sys.path


def _read_umask() -> int | None:
    # `os.umask` can tell the mask only by changing it, which other threads would see in the files that they make.
    global _status_descriptor
    for _ in range(2):
        try:
            text = os.pread(_status_descriptor, 128, 0)
            return int(text.partition(b"\nUmask:")[2].split(None, 1)[0], 8)
        except (OSError, ValueError, IndexError):  # not open yet, or the program has closed all descriptors
            with suppress(OSError):
                _status_descriptor = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    return None


#: Stays open, which saves 9 of 24 µs.
_status_descriptor = -1


def _write_umask(_: Any, umask: int | None) -> None:
    if umask is not None:
        os.umask(umask)


def _write_locale(_: Any, name: str) -> None:
    locale.setlocale(locale.LC_ALL, name)


def _write_filters(_: Any, filters: list[Any]) -> None:
    warnings.resetwarnings()
    warnings.filters.extend(filters)  # type: ignore[attr-defined]


def _read_log_levels() -> dict[str | None, int]:
    """Return the levels of all loggers that have one, the root logger's as "", and what is disabled as None."""
    manager = logging.root.manager
    levels: dict[str | None, int] = {
        name: level for name, logger in list(manager.loggerDict.items()) if (level := getattr(logger, "level", 0))
    }
    levels[""] = logging.root.level
    levels[None] = manager.disable
    return levels


def _write_log_levels(before: dict[str | None, int], levels: dict[str | None, int]) -> None:
    for name in before.keys() | levels.keys():
        level = levels.get(name, logging.NOTSET)
        if before.get(name, logging.NOTSET) == level:
            continue
        if name is None:
            logging.disable(level)
        else:
            logging.getLogger(name).setLevel(level)


def _read_numpy_errors() -> dict[str, str]:
    errors: dict[str, Any] = {**np.geterr()}
    return {kind: action for kind, action in errors.items() if action not in ("call", "log")}


def _write_numpy_errors(_: Any, errors: dict[str, Any]) -> None:
    np.seterr(**errors)


def _read_sklearn_config() -> dict[str, Any] | None:
    """Return scikit-learn's settings of this thread as far as they differ from those of a new thread, its defaults."""
    sklearn = sys.modules.get("sklearn")
    if sklearn is None or not hasattr(sklearn, "get_config"):
        return None
    global _sklearn_defaults
    if _sklearn_defaults is None:
        thread = threading.Thread(target=_read_sklearn_defaults, args=(sklearn,))
        thread.start()
        thread.join()
    config: dict[str, Any] = sklearn.get_config()
    return None if config == _sklearn_defaults else config


_sklearn_defaults: dict[str, Any] | None = None


def _read_sklearn_defaults(sklearn: Any) -> None:
    global _sklearn_defaults
    _sklearn_defaults = sklearn.get_config()


def _write_sklearn_config(_: Any, config: dict[str, Any] | None) -> None:
    if config is None and "sklearn" not in sys.modules:
        return
    sklearn = importlib.import_module("sklearn")
    _read_sklearn_config()  # for the defaults
    known = sklearn.get_config()
    values = (_sklearn_defaults if config is None else config) or {}
    sklearn.set_config(**{name: value for name, value in values.items() if name in known and known[name] != value})


#: The facts that a script's tasks find as the script does, by name, in the order in which they are set.
FACTS = {
    "environment": Fact(_read_environment, _write_environment, _pack_environment, _unpack_environment),
    "working directory": Fact(_read_folder, _write_folder),
    "sys.path": Fact(lambda: list(sys.path), _write_path, _pack_path, _unpack_path),
    "sys.argv": Fact(lambda: list(sys.argv), _write_arguments),
    "umask": Fact(_read_umask, _write_umask),
    "recursion limit": Fact(sys.getrecursionlimit, lambda _, limit: sys.setrecursionlimit(limit)),
    "locale": Fact(lambda: locale.setlocale(locale.LC_ALL), _write_locale),
    "warning filters": Fact(lambda: list(warnings.filters), _write_filters),
    "logging levels": Fact(_read_log_levels, _write_log_levels),
    "logging handlers": Fact(read_handlers, write_handlers),
    "numpy's error state": Fact(_read_numpy_errors, _write_numpy_errors),
    "scikit-learn's configuration": Fact(_read_sklearn_config, _write_sklearn_config),
}
