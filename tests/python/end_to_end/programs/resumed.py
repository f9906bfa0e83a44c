"""Makes a call with a checkpoint: N_TASKS OPTIONS_OF_PARALLEL.

Once half of the tasks have started, in any order, others wait for a file "go".

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
    """Add a line to a file and return its number."""
    file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(file, f"{text}\n".encode())
        return os.pread(file, os.lseek(file, 0, os.SEEK_CUR), 0).count(b"\n")
    finally:
        os.close(file)


def compute(i):
    """Return i copies of i; some tasks wait for the test."""
    waits = note("started", i) > n_tasks // 2
    while waits and not os.path.exists("go"):
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
