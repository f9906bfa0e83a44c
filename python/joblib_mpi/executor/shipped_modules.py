"""Modules that the program has sent along with a call, for executors whose Python lacks them."""

import importlib
import io
import os
import shutil
import sys
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

from joblib_mpi import _core
from joblib_mpi.payloads.task_context import ShippedModule

#: The number of sets of modules that are kept for calls that take turns, and of a program that changes its modules.
KEPT_SETS = 4

_Key = tuple[tuple[str, bytes], ...]


class ShippedModules:
    """Lets this process import modules that a call has shipped, in place of those of the same names, if there are any.

    The modules lie in a folder of this process alone, which is removed when the process ends, for any reason. For one
    thread only.

    Parameters
    ----------
    load : callable
        Takes the id of a shared object that consists of bytes only and returns these.
    forget : callable
        Called when the modules change, because functions and objects that are kept may be of those before.
    """

    def __init__(self, load: Callable[[int], Any], forget: Callable[[], None]) -> None:
        self._load = load
        self._forget = forget
        self._folder = ""
        self._reaper: _core.FolderReaper | None = None
        self._n_unpacked = 0
        self._paths: dict[tuple[str, bytes], str] = {}
        self._sets: OrderedDict[_Key, dict[str, ModuleType]] = OrderedDict()  # the modules of each, as they were left
        self._last: _Key = ()
        self._left: Callable[[], None] | None = None

    def enter(self, modules: Sequence[ShippedModule]) -> None:
        """Let this process import ``modules`` until `leave`. Raises OSError if there is no room for their files."""
        key = tuple((module.name, module.digest) for module in modules)
        if key != self._last:
            self._forget()
            self._last = key
        if not key:
            return
        paths = [self._path_of(module) for module in modules]
        names = {module.name for module in modules}
        own = _taken_out(names)
        sys.modules.update(self._sets.get(key, {}))
        self._sets[key] = {}
        self._sets.move_to_end(key)
        variable = os.environ.get("PYTHONPATH")
        sys.path[:0] = paths
        os.environ["PYTHONPATH"] = os.pathsep.join([*paths, variable] if variable else paths)  # for child processes
        importlib.invalidate_caches()

        def leave() -> None:
            self._sets[key] = _taken_out(names)
            sys.modules.update(own)
            sys.path[:] = [entry for entry in sys.path if entry not in paths]
            if variable is None:
                os.environ.pop("PYTHONPATH", None)
            else:
                os.environ["PYTHONPATH"] = variable
            self._drop_old_sets()

        self._left = leave

    def leave(self) -> None:
        """Let this process import what it could before `enter`. Does nothing without one."""
        if self._left is not None:
            leave, self._left = self._left, None
            leave()

    def remove(self) -> None:
        """Remove the files at the end of the process."""
        self._reaper = None

    def _path_of(self, module: ShippedModule) -> str:
        key = module.name, module.digest
        if key not in self._paths:
            if self._reaper is None:
                self._folder = tempfile.mkdtemp(prefix="joblib-mpi-modules-")
                self._reaper = _core.FolderReaper(self._folder)
            self._n_unpacked += 1
            path = os.path.join(self._folder, str(self._n_unpacked))
            with zipfile.ZipFile(io.BytesIO(self._load(module.object_id))) as archive:
                archive.extractall(path)
            self._paths[key] = path
        return self._paths[key]

    def _drop_old_sets(self) -> None:
        while len(self._sets) > KEPT_SETS:
            old, _ = self._sets.popitem(last=False)
            kept = {part for key in self._sets for part in key}
            for part in old:
                if part not in kept:
                    shutil.rmtree(self._paths.pop(part), ignore_errors=True)


def _taken_out(names: Iterable[str]) -> dict[str, ModuleType]:
    """Take modules with these names, and their submodules, out of `sys.modules` and return them by name."""
    beginnings = tuple(f"{name}." for name in names)
    found = [name for name in sys.modules if name in names or name.startswith(beginnings)]
    return {name: sys.modules.pop(name) for name in found}
