"""Modules of the program as bytes, for workers that lack them: their source files and data in a zip archive.

Equal files give equal bytes, so that they are sent to a node once.
"""

import importlib.util
import io
import os
import stat
import sys
import threading
import zipfile
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

#: The most bytes that the files of one module may have. Chosen, not measured: sources take much less, and what takes
#: more is data that belongs into a shared folder or `scatter`.
MOST_BYTES = 100_000_000

#: The earliest time that a zip archive can have, for all its files.
_TIME = (1980, 1, 1, 0, 0, 0)

#: The most archives that are kept for later calls. Chosen, not measured.
_MOST_KEPT = 16

_LEFT_OUT = (".pyc", ".pyo")


class ModuleFiles(NamedTuple):
    """The place of a module's files.

    Parameters
    ----------
    name : str
        The name under which it is imported.
    path : str
        Its file, or the folder of a package.
    """

    name: str
    path: str

    def packed(self) -> bytes:
        """Return a zip archive with the files as they are now; raises ValueError if they cannot be sent."""
        files = [_File.at(path, name) for path, name in self._found()]
        n_bytes = sum(file.n_bytes for file in files)
        if n_bytes > MOST_BYTES:
            raise ValueError(
                f'the files of the module "{self.name}" in {self.path} take {n_bytes} bytes; allowed: {MOST_BYTES}. '
                "Install the module where the workers run, or keep its data elsewhere"
            )
        with _lock:
            known = _packed.pop(self.name, None)
            if known is None or known[0] != files:
                known = files, _archive(files)
            _packed[self.name] = known  # the last one
            if len(_packed) > _MOST_KEPT:
                del _packed[next(iter(_packed))]
        return known[1]

    def _found(self) -> Iterator[tuple[str, str]]:
        if os.path.isfile(self.path):
            yield self.path, os.path.basename(self.path)
            return
        above = os.path.dirname(self.path)
        for folder, folders, names in os.walk(self.path):
            folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.endswith(tuple(EXTENSION_SUFFIXES)):
                    raise ValueError(
                        f'the module "{self.name}" has the compiled part {path}, which fits one kind of machine; '
                        "install the module where the workers run"
                    )
                if not name.startswith(".") and not name.endswith(_LEFT_OUT):
                    yield path, os.path.relpath(path, above)


class _File(NamedTuple):
    path: str
    name: str
    n_bytes: int
    modified: int

    @classmethod
    def at(cls, path: str, name: str) -> "_File":
        try:
            status = os.stat(path)
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} is no regular file, so that the module cannot be sent")
        return cls(path, name, status.st_size, status.st_mtime_ns)


def module_files(module: Any) -> ModuleFiles:
    """Return the place of a module's files.

    Parameters
    ----------
    module : module or str
        The module, or its name; it need not have been imported.

    Raises
    ------
    TypeError
        It is neither.
    ValueError
        It cannot be imported here, or not be sent: the text says why and what to do.
    """
    if not isinstance(module, str | ModuleType):
        raise TypeError(f"{module!r} is neither a module nor the name of one")
    name = module if isinstance(module, str) else module.__name__
    if name == "__main__":
        raise ValueError('"__main__" is the script, whose functions and classes are sent with each call')
    if "." in name:
        raise ValueError(f'"{name}" is part of the package "{name.partition(".")[0]}"; name the package')
    if name in sys.stdlib_module_names:
        raise ValueError(f'"{name}" is part of Python, which the workers have')
    spec = _spec_of(module, name)
    origin = spec.origin or ""
    if spec.submodule_search_locations is not None:
        if os.path.basename(origin) != "__init__.py":
            places = ", ".join(spec.submodule_search_locations)
            raise ValueError(f'"{name}" is a package without __init__.py ({places}); add that file')
        return ModuleFiles(name, os.path.dirname(origin))
    if origin.endswith(tuple(EXTENSION_SUFFIXES)):
        raise ValueError(f'"{name}" is compiled ({origin}); install it where the workers run')
    if not origin.endswith(".py") or not os.path.isfile(origin):
        raise ValueError(f'"{name}" has no source file ({origin or "no file"}); install it where the workers run')
    return ModuleFiles(name, origin)


def _spec_of(module: str | ModuleType, name: str) -> ModuleSpec:
    spec = None
    if isinstance(module, ModuleType):
        spec = module.__spec__
        if spec is None:
            raise ValueError(
                f'"{name}" was made by the program and has no file; give it to cloudpickle.register_pickle_by_value'
            )
        return spec
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # ValueError: a module that the program has made
        pass
    if spec is None:
        raise ValueError(f'there is no module "{name}" that this program could import')
    return spec


def _archive(files: list[_File]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for file in files:
            entry = zipfile.ZipInfo(file.name, _TIME)
            entry.external_attr = 0o600 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            with open(file.path, "rb") as content:
                packed.writestr(entry, content.read())
    return archive.getvalue()


_packed: dict[str, tuple[list[_File], bytes]] = {}  # by name; those that were not used for longest come first
_lock = threading.Lock()  # of the line above
