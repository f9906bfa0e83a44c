"""The options with which a session starts, from arguments, the command line or the environment, in this order."""

import importlib.util
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from joblib_mpi import thread_limits
from joblib_mpi.calls.option_checks import memory_bytes

ISOLATIONS = ("process", "none")


class MissingModuleError(Exception):
    """This rank does not have ``module``, which is to be preloaded."""

    def __init__(self, module: str) -> None:
        super().__init__(
            f'{thread_limits.this_rank()} has no module "{module}" to preload; install it in the environment of every '
            "node, or do not preload it"
        )


class StartOptions(NamedTuple):
    """The options of a session, checked.

    Parameters
    ----------
    isolation : {"process", "none"} or None
        The place where tasks run: a process beside each worker rank, or the rank itself. None means "process" where
        that is possible.
    preload : tuple of str
        Modules that are imported in every executor from the start.
    memory_limit : int or None
        The private memory of each executor in bytes, unless a call has a limit.
    scheduler_host : str or None
        The job whose client this process is to be; None for a process that is a rank itself.
    """

    isolation: str | None = None
    preload: tuple[str, ...] = ()
    memory_limit: int | None = None
    scheduler_host: str | None = None

    def updated(
        self,
        isolation: Any = None,
        preload: Any = None,
        memory_limit: Any = None,
        scheduler_host: str | None = None,
        *,
        names: Mapping[str, str] | None = None,
    ) -> "StartOptions":
        """Return these options, replaced by the arguments that are not None.

        Parameters
        ----------
        isolation : str, optional
            As for `StartOptions`.
        preload : list of str or str, optional
            As for `StartOptions`, or a text with commas between the names.
        memory_limit : int or str, optional
            As for `StartOptions`, or a text such as "2GiB".
        scheduler_host : str, optional
            As for `StartOptions`.
        names : mapping of str to str, optional
            The names that errors use, by the names of these arguments.

        Raises
        ------
        TypeError
            An argument has the wrong type.
        ValueError
            An argument is out of range; the text has its value and says what is allowed.
        """
        said = {name: (names or {}).get(name, name) for name in self._fields}
        options = self
        if isolation is not None:
            options = options._replace(isolation=_isolation(isolation, said["isolation"]))
        if preload is not None:
            options = options._replace(preload=_modules(preload, said["preload"]))
        if memory_limit is not None:
            options = options._replace(memory_limit=memory_bytes(memory_limit, said["memory_limit"]))
        if scheduler_host is not None:
            options = options._replace(scheduler_host=scheduler_host)
        return options


_VARIABLES = {name: f"JOBLIB_MPI_{name.upper()}" for name in StartOptions._fields}
_ARGUMENTS = {f"--{name.replace('_', '-')}": name for name in StartOptions._fields}


def from_environment(environment: Mapping[str, str] = os.environ) -> StartOptions:
    """Return the options in the variables JOBLIB_MPI_ISOLATION, JOBLIB_MPI_PRELOAD and so on.

    JOBLIB_MPI_SCHEDULER_HOST does not count in a process that a launcher has started.
    """
    values = {name: environment[variable] for name, variable in _VARIABLES.items() if environment.get(variable)}
    if thread_limits.is_launched(environment):
        values.pop("scheduler_host", None)  # the ranks of a job are clients of no other
    return StartOptions().updated(**values, names=_VARIABLES)


def from_arguments(options: StartOptions, argv: Sequence[str]) -> tuple[StartOptions, list[str]]:
    """Return ``options`` updated by those at the start of ``argv``, and the rest of ``argv``; raises ValueError."""
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
    """Return the first of the modules that this rank does not have, or None if it has all."""
    for module in preload:
        try:
            found = importlib.util.find_spec(module) is not None
        except (ImportError, ValueError):  # from the package that contains the module
            found = False
        if not found:
            return module
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
            raise ValueError(f'{name}={value!r}: "{module}" is not the name of a module')
    return tuple(dict.fromkeys(modules))
