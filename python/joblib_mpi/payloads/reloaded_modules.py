"""Modules of a program that it has loaded again, by `importlib.reload` or another import, and that executors reload."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from joblib_mpi.user_code import INSTALLED


class ReloadWatch:
    """Counts how often the program has loaded each of its modules again, from the construction of this object on.

    Python gives a module a new ``__spec__`` whenever it loads it. Only modules that are not installed are looked at.
    """

    def __init__(self) -> None:
        self._specs: dict[str, Any] = {}  # the newest module first
        self._generations: dict[str, int] = {}
        self._seen: set[str] = set()
        self._newest: tuple[int, str] | None = None
        self._look_for_new_modules()

    def generations(self) -> dict[str, int]:
        """Return how often each module was loaded again, without those that never were.

        A module comes before those that have imported it.
        """
        modules = sys.modules
        for name, spec in self._specs.items():
            now = getattr(modules.get(name), "__spec__", None)
            if now is not spec and now is not None:
                self._specs[name] = now
                self._generations[name] = self._generations.get(name, 0) + 1
        self._look_for_new_modules()
        return {name: self._generations[name] for name in self._specs if name in self._generations}

    def _look_for_new_modules(self) -> None:
        newest = len(sys.modules), next(reversed(sys.modules))
        if newest == self._newest:
            return
        self._newest = newest
        found = {}
        for name, module in list(sys.modules.items()):
            if name not in self._seen and _is_of_the_program(module) and name != "__main__":
                found[name] = module.__spec__
        self._seen.update(sys.modules)
        self._specs = {**dict(reversed(found.items())), **self._specs}


def follow_reloads(wanted: Mapping[str, int], have: Mapping[str, int]) -> Iterator[tuple[str, Exception]]:
    """Reload the modules whose numbers are different in ``wanted``, if this process has them; yield what fails."""
    importlib.invalidate_caches()
    for name, generation in wanted.items():
        module = sys.modules.get(name)
        if module is not None and generation != have.get(name):
            try:
                importlib.reload(module)
            except Exception as error:
                yield name, error


def _is_of_the_program(module: ModuleType | None) -> bool:
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    return isinstance(origin, str) and origin.endswith(".py") and not origin.startswith(INSTALLED)
