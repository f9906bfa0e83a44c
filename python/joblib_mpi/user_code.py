"""The place in the user's program that has led to a call of this package, for warnings."""

import os
import site
import sys
import sysconfig
from types import FrameType

from joblib import __file__ as joblibs_file

_FOLDERS = {
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *site.getsitepackages(),
    site.getusersitepackages(),
    *(os.path.dirname(os.path.abspath(file)) for file in (__file__, joblibs_file)),
}

#: The beginnings of files that are Python's, installed or this package's, and not the user's.
INSTALLED = ("<frozen ", *sorted(os.path.join(folder, "") for folder in _FOLDERS))

#: A warning that is raised where no user's code has called is attributed to its own place.
_HERE = 1


def stack_level() -> int:
    """Return the ``stacklevel`` with which a warning of the caller shows the nearest line of the user's program."""
    frame: FrameType | None = sys._getframe(1)
    level = _HERE
    while frame is not None:
        if not frame.f_code.co_filename.startswith(INSTALLED):
            return level
        frame = frame.f_back
        level += 1
    return _HERE
