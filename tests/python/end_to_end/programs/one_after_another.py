"""Runs scripts one after the other on rank 0 of one job: script_1.py when there is script_1.start, and so on.

When a script and its threads have ended, script_1.ended has its status and what it has printed, as JSON. The end of
stdin ends the job.
"""

import contextlib
import gc
import io
import itertools
import json
import os
import runpy
import select
import sys
import threading
import traceback
import warnings


def run(path):
    """Run one script as ``python path`` would, and return its status and output."""
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
        gc.collect()  # what the script had, its results in memory for example
    return {"status": status, "stdout": stdout.getvalue(), "stderr": stderr.getvalue()}


def is_asked_for(name):
    """Wait until this script is to run; return False if none is any more."""
    while not os.path.exists(f"{name}.start"):
        readable, _, _ = select.select([sys.stdin], [], [], 0.005)
        if readable and not sys.stdin.read(1):
            return False
    return True


for number in itertools.count(1):
    name = f"script_{number}"
    if not is_asked_for(name):
        break
    ended = json.dumps(run(f"{name}.py"))
    with open(f"{name}.partial", "w") as file:
        file.write(ended)
    os.rename(f"{name}.partial", f"{name}.ended")
