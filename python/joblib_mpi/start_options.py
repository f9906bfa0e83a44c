"""How a session is started: by arguments, the command line or the environment, in this order."""

import importlib.util
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from joblib_mpi import thread_limits
from joblib_mpi.calls.option_checks import memory_bytes

ISOLATIONS = ("process", "none")


class StartOptions(NamedTuple):
    """What a session is started with, checked.

    Parameters
    ----------
    isolation : {"process", "none"} or None
        Where tasks run: in a process beside each worker rank, or in the rank itself. None is "process" where it can be.
    preload : tuple of str
        Modules that every executor finds imported.
    memory_limit : int or None
        Bytes for each executor, where a call does not say otherwise.
    """

    isolation: str | None = None
    preload: tuple[str, ...] = ()
    memory_limit: int | None = None

    def updated(
        self,
        isolation: Any = None,
        preload: Any = None,
        memory_limit: Any = None,
        *,
        names: Mapping[str, str] | None = None,
    ) -> "StartOptions":
        """Return these options with those that are not None in their place.

        Parameters
        ----------
        isolation, preload, memory_limit : optional
            As for `StartOptions`; ``preload`` may be a text with commas, ``memory_limit`` a text such as "2GiB".
        names : mapping of str to str, optional
            What errors call the options, by their names here.

        Raises
        ------
        TypeError, ValueError
            A value is not allowed; the text names it and those that are.
        """
        said = {name: (names or {}).get(name, name) for name in self._fields}
        options = self
        if isolation is not None:
            options = options._replace(isolation=_isolation(isolation, said["isolation"]))
        if preload is not None:
            options = options._replace(preload=_modules(preload, said["preload"]))
        if memory_limit is not None:
            options = options._replace(memory_limit=memory_bytes(memory_limit, said["memory_limit"]))
        return options


_VARIABLES = {name: f"JOBLIB_MPI_{name.upper()}" for name in StartOptions._fields}
_ARGUMENTS = {"--isolation": "isolation", "--preload": "preload", "--memory-limit": "memory_limit"}


def from_environment(environment: Mapping[str, str] = os.environ) -> StartOptions:
    """Return the options that the variables JOBLIB_MPI_ISOLATION, _PRELOAD and _MEMORY_LIMIT set."""
    values = {name: environment[variable] for name, variable in _VARIABLES.items() if environment.get(variable)}
    return StartOptions().updated(**values, names=_VARIABLES)


def from_arguments(options: StartOptions, argv: Sequence[str]) -> tuple[StartOptions, list[str]]:
    """Return ``options`` updated by those at the start of ``argv``, and what follows them; raises ValueError."""
    rest = list(argv)
    preload: list[str] = []
    while rest and (argument := rest[0].partition("=")[0]) in _ARGUMENTS:
        given = rest.pop(0)
        if "=" not in given and not rest:
            raise ValueError(f"{argument} needs a value")
        value: Any = given.partition("=")[2] if "=" in given else rest.pop(0)
        names = {_ARGUMENTS[argument]: argument}
        if argument == "--preload":
            preload += _modules(value, argument)
            value = preload
        options = options.updated(**{_ARGUMENTS[argument]: value}, names=names)
    return options, rest


def missing_module(preload: Iterable[str]) -> str | None:
    """Return a line that names the first of the modules that this rank does not have, this rank and its host."""
    for module in preload:
        try:
            found = importlib.util.find_spec(module) is not None
        except (ImportError, ValueError):  # of the package around it
            found = False
        if not found:
            return (
                f'{thread_limits.this_rank()} has no module "{module}", which it should preload; install it in the '
                "environment of every node, or leave it out"
            )
    return None


def _isolation(value: Any, name: str) -> str:
    if value not in ISOLATIONS:
        raise ValueError(f"{name}={value!r}; allowed: {', '.join(ISOLATIONS)}")
    return str(value)


def _modules(value: Any, name: str) -> tuple[str, ...]:
    modules = value.split(",") if isinstance(value, str) else value
    if not isinstance(modules, list | tuple) or not all(isinstance(module, str) for module in modules):
        raise TypeError(f"{name}={value!r}; allowed: a list of the names of modules")
    modules = [module.strip() for module in modules if module.strip()]
    for module in modules:
        if not all(part.isidentifier() for part in module.split(".")):
            raise ValueError(f'{name}={value!r}: "{module}" is no name of a module')
    return tuple(dict.fromkeys(modules))
