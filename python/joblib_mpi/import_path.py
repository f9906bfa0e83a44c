"""The first entry of ``sys.path``, from which joblib-mpi itself must not take modules.

Python puts the working directory there for ``python -m joblib_mpi script.py``, whereas ``python script.py`` never looks
for modules in it: a file ``cloudpickle.py`` that happens to lie there must not run. This module imports only ``sys``,
which is always built in.
"""

import sys

_is_left_out = False


def leave_out_working_directory() -> None:
    """Take the working directory off ``sys.path`` if this process was started as ``python -m joblib_mpi``."""
    global _is_left_out
    if not sys.flags.safe_path and not _is_left_out and is_for_main_module():
        del sys.path[0]
        _is_left_out = True


def is_for_main_module() -> bool:
    """Return whether the package is being imported because this process was started as ``python -m joblib_mpi``."""
    # During the import of the package that -m names, sys.argv[0] is "-m".
    return sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)].removeprefix("-m") == "joblib_mpi"


def put_first(folder: str) -> None:
    """Put ``folder`` first into ``sys.path``, in place of what Python has put there, if anything."""
    global _is_left_out
    if _is_left_out or sys.flags.safe_path:
        sys.path.insert(0, folder)
        _is_left_out = False
    else:
        sys.path[0] = folder
