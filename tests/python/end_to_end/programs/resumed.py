"""Makes a call with a checkpoint; the second half of the tasks waits for a file "go": N_TASKS OPTIONS_OF_PARALLEL.

On SIGUSR2 rank 0 writes the stacks of its threads to "stacks".
"""

import faulthandler
import json
import os
import signal
import sys
import time

from joblib import Parallel, delayed, parallel_config

n_tasks, options = int(sys.argv[1]), json.loads(sys.argv[2])


def note(name, text):
    """Add a line to a file."""
    with open(name, "a") as file:
        file.write(f"{text}\n")


def compute(i):
    """Return i copies of i; the second half of the tasks waits for the test."""
    note("started", i)
    while i >= n_tasks // 2 and not os.path.exists("go"):
        time.sleep(0.002)
    note("finished", i)
    return [i] * i


stacks = open("stacks", "w")  # noqa: SIM115 (open to the end)
faulthandler.register(signal.SIGUSR2, stacks)
note("pid", os.getpid())
try:
    with parallel_config(backend="mpi", checkpoint="run.h5"):
        results = Parallel(**options)(delayed(compute)(i) for i in range(n_tasks))
        note("between", "calls")
        while not os.path.exists("go"):
            time.sleep(0.002)
finally:
    note("cleaned", "up")
print("right" if results == [[i] * i for i in range(n_tasks)] else results)
