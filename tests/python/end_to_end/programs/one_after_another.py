"""Runs scripts one after the other on rank 0 of one job: those whose paths it reads from stdin.

When a script and its threads have ended, PATH.ended has its status and what it has printed, as JSON.
"""

import contextlib
import io
import json
import os
import runpy
import sys
import threading
import traceback
import warnings


def run(path):
    """Run one script as ``python path`` would, and return what became of it."""
    stdout, stderr = io.StringIO(), io.StringIO()
    threads_before = set(threading.enumerate())
    status = 0
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr), warnings.catch_warnings():
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:
            traceback.print_exc()
            status = 1
        for thread in set(threading.enumerate()) - threads_before:
            if not thread.daemon:
                thread.join()
    return {"status": status, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}


for line in sys.stdin:
    path = line.rstrip("\n")
    ended = json.dumps(run(path))
    with open(f"{path}.partial", "w") as file:
        file.write(ended)
    os.rename(f"{path}.partial", f"{path}.ended")
