"""The user's program, which ``python -m joblib_mpi`` runs as Python itself would."""

import builtins
import code
import importlib.machinery
import importlib.util
import io
import os
import sys
import types
from collections.abc import Sequence
from typing import NamedTuple

from joblib_mpi import import_path

#: Exit status after Ctrl-C, as shells report it: 128 + SIGINT.
INTERRUPTED = 130


class UsageError(Exception):
    """The command line names no program."""


class Program(NamedTuple):
    """A program to run.

    Parameters
    ----------
    kind : {"script", "module", "command", "stdin", "console", "serve"}
        The source of its code; "serve" for a job whose programs are its clients.
    target : str
        The path of a script, the name of a module, the code of a command, or else the option.
    arguments : list of str
        The program's ``sys.argv[1:]``; of "serve", the words of its options, which `serving.serve_options` reads.
    """

    kind: str
    target: str
    arguments: list[str]


def parse(argv: Sequence[str]) -> Program:
    """Return the program in ``argv``, the arguments after ``-m joblib_mpi``; raises `UsageError`."""
    if not argv:
        raise UsageError("no script given")
    first, rest = argv[0], list(argv[1:])
    if first in ("-m", "-c"):
        if not rest:
            raise UsageError(f"{first} needs an argument")
        return Program("module" if first == "-m" else "command", rest[0], rest[1:])
    if first == "-":
        return Program("stdin", "-", rest)
    if first == "-i":
        if rest:
            raise UsageError(f"-i starts a console and takes no program, but {rest[0]!r} follows it")
        return Program("console", "-i", [])
    if first == "--serve":
        return Program("serve", first, rest)
    if first.startswith("-"):
        raise UsageError(f"unknown option {first}")
    return Program("script", first, rest)


def set_import_path(program: Program, *, safe_path: bool | None = None) -> None:
    """Set ``sys.path[0]`` as Python does for ``program``, on every rank, so that the program's modules are found.

    Parameters
    ----------
    program : Program
        The program.
    safe_path : bool, optional
        True to leave ``sys.path`` as Python's option -P does; by default as this process was started.
    """
    if program.kind == "serve" or (sys.flags.safe_path if safe_path is None else safe_path):
        return
    if program.kind == "script":
        import_path.put_first(os.path.dirname(os.path.realpath(program.target)))
    else:
        import_path.put_first(os.getcwd() if program.kind == "module" else "")


def run(program: Program) -> int:
    """Run ``program`` as ``__main__`` and return its exit status; errors are printed to stderr."""
    if program.kind == "console":
        return _interact()
    try:
        compiled, main, sys.argv[0] = _LOADERS[program.kind](program.target)
    except _CannotStart as error:
        print(f"{sys.executable}: {error.args[0]}", file=sys.stderr)
        return error.status
    except Exception as error:  # a syntax error, or an error in the package that holds the module
        _show(error)
        return 1
    sys.argv[1:] = program.arguments
    _become_main(main)
    try:
        exec(compiled, main.__dict__)
    except SystemExit as error:
        from joblib_mpi.payloads.errors import RemoteTraceback  # late, as worker ranks need no pickles

        if isinstance(error.__cause__, RemoteTraceback):  # a task has called sys.exit, and others have not run
            _show(error)
            return error.code if isinstance(error.code, int) else 1
        return status_of(error)
    except BaseException as error:
        _show(error)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def status_of(error: SystemExit) -> int:
    """Return the exit status that ``error`` asks for; print its text if it has one."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1


def _interact() -> int:
    main = _new_main()
    _become_main(main)
    sys.argv[:] = [""]
    has_terminal = sys.stdin.isatty()  # not under a bare mpirun, which ends the job at Ctrl-C
    # Sets up completion and history, as in Python's own console.
    if has_terminal and hasattr(sys, "__interactivehook__"):
        sys.__interactivehook__()
    banner = _BANNER + ("Ctrl-C interrupts a call; " if has_terminal else "") + _HOW_TO_END
    try:
        code.interact(banner=banner, local=main.__dict__, exitmsg="")
    except SystemExit as error:
        return status_of(error)
    return 0


_BANNER = f"""\
Python {sys.version.split()[0]} on rank 0. Run joblib's Parallel on the other ranks with parallel_config(backend="mpi").
"""
_HOW_TO_END = "exit() or the end of the input ends the job."


def _become_main(main: types.ModuleType) -> None:
    # A real module that stays, because cloudpickle, pickle and child processes look up the program's names in it.
    global _launcher_main
    _launcher_main = sys.modules["__main__"]
    sys.modules["__main__"] = main


_launcher_main: types.ModuleType | None = None


class _CannotStart(Exception):
    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class _Loaded(NamedTuple):
    compiled: types.CodeType
    main: types.ModuleType
    argv0: str


def _load_script(path: str) -> _Loaded:
    absolute = os.path.join(os.getcwd(), path)
    try:
        with io.open_code(absolute) as file:
            source = file.read()
    except OSError as error:
        raise _CannotStart(f"can't open file {absolute!r}: [Errno {error.errno}] {error.strerror}", 2) from error
    main = _new_main(__file__=absolute, __cached__=None)
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", absolute)
    return _Loaded(compile(source, absolute, "exec", dont_inherit=True), main, path)


def _load_module(name: str) -> _Loaded:
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(name := f"{name}.__main__")
    except ModuleNotFoundError as error:
        raise _CannotStart(f"Error while finding module specification for {name!r} ({error})", 1) from error
    if spec is None:
        raise _CannotStart(f"No module named {name}", 1)
    get_code = getattr(spec.loader, "get_code", None)
    compiled = None if get_code is None else get_code(name)
    if compiled is None:
        raise _CannotStart(f"No code object available for {name}", 1)
    main = _new_main(__file__=spec.origin, __cached__=spec.cached, __package__=spec.parent, __spec__=spec)
    main.__loader__ = spec.loader
    return _Loaded(compiled, main, spec.origin or name)


def _load_command(text: str) -> _Loaded:
    return _Loaded(compile(text, "<string>", "exec", dont_inherit=True), _new_main(), "-c")


def _load_stdin(_: str) -> _Loaded:
    return _Loaded(compile(sys.stdin.read(), "<stdin>", "exec", dont_inherit=True), _new_main(), "-")


_LOADERS = {"script": _load_script, "module": _load_module, "command": _load_command, "stdin": _load_stdin}


def _new_main(**attributes: object) -> types.ModuleType:
    main = types.ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __annotations__={}, **attributes)
    return main


def _show(error: BaseException) -> None:
    from joblib_mpi.payloads.errors import without_own_frames

    frames = without_own_frames(error.__traceback__)
    sys.excepthook(type(error), BaseException.with_traceback(error, frames), frames)
