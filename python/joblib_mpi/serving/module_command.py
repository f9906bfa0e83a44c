"""The command that starts a program of this package that imports little."""

import sys

#: Puts a package without contents in the place of joblib_mpi, whose own import joblib and NumPy, for half a second.
_CODE = """\
import importlib, importlib.util, sys
sys.modules["joblib_mpi"] = importlib.util.module_from_spec(importlib.util.find_spec("joblib_mpi"))
sys.exit(importlib.import_module(sys.argv[1]).main(sys.argv[2:]))
"""


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that calls ``main(arguments)`` of a module of this package, in this Python."""
    return (sys.executable, "-P", "-c", _CODE, module, *arguments)
