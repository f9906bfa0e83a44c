"""The content of importable modules: what their files define, as a hash that is equal in every process."""

import importlib.machinery
import os
import sys
import sysconfig
import types
from collections.abc import Callable, Iterable

from joblib_mpi import _core

#: Folders whose files come and go with a package: they are not edited, and to compile them would take long.
_PACKAGE_FOLDERS = ("site-packages", "dist-packages")

#: What the hash of a module's file depends on, and the hash, by the file's path.
_known: dict[str, tuple[tuple[int, int], bytes]] = {}


def module_content(name: str, hash_code: Callable[[types.CodeType], bytes]) -> bytes | None:
    """Return the hash of what the file of a module contains, without importing the module.

    Comments and line numbers of a Python file have no influence, except in installed packages; of a compiled
    extension every byte counts.

    Parameters
    ----------
    name : str
        The module's full name.
    hash_code : callable
        Returns the hash of a module's code.

    Returns
    -------
    bytes or None
        None for the program itself and for a module without a file that can be read, such as one that is built into
        Python.
    """
    path = None if name == "__main__" else _file_of(name)
    if path is None:
        return None
    try:
        status = os.stat(path)
        state = status.st_mtime_ns, status.st_size
        known = _known.get(path)
        if known is None or known[0] != state:
            _known[path] = known = state, _hash_file(path, hash_code)
        return known[1]
    except OSError:  # inside an archive, or removed since it was imported
        return None


def submodules(package: str, folders: Iterable[str], names: Iterable[str]) -> list[str]:
    """Return the full names of a package's modules, at any depth, that are called by one of ``names``.

    Modules count whether or not they have been imported, because that may differ between two runs.

    Parameters
    ----------
    package : str
        The package's full name.
    folders : iterable of str
        Its ``__path__``.
    names : iterable of str
        The names to look for.
    """
    found = []
    for name in sorted(set(names)):
        spec = importlib.machinery.PathFinder.find_spec(f"{package}.{name}", list(folders))
        if spec is not None:
            found += [spec.name, *submodules(spec.name, spec.submodule_search_locations or (), names)]
    return found


def _file_of(name: str) -> str | None:
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None) if module is not None else _spec_of(name)
    path = getattr(spec, "origin", None) if spec is not None else getattr(module, "__file__", None)
    return path if isinstance(path, str) and os.path.isabs(path) else None


def _spec_of(name: str) -> importlib.machinery.ModuleSpec | None:
    # importlib.util.find_spec would import the packages that hold the module.
    spec = None
    path = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        spec = importlib.machinery.PathFinder.find_spec(".".join(parts[:end]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec


def _hash_file(path: str, hash_code: Callable[[types.CodeType], bytes]) -> bytes:
    with open(path, "rb") as file:
        content = file.read()
    if path.endswith(tuple(importlib.machinery.SOURCE_SUFFIXES)) and not _is_installed(path):
        try:
            return hash_code(compile(content, path, "exec", dont_inherit=True))
        except (SyntaxError, ValueError, RecursionError):  # only its own loader understands it
            pass
    return _core.content_hash(content)


def _is_installed(path: str) -> bool:
    folders = os.path.dirname(path).split(os.sep)
    return any(folder in folders for folder in _PACKAGE_FOLDERS) or path.startswith(sysconfig.get_path("stdlib"))
