"""Runs 400 tasks with a checkpoint; each records its start and its end. In a job's first run each takes a second."""

import os
import sys
import time

from joblib import Parallel, delayed, parallel_config

N_TASKS = 400
NOTES = sys.argv[1]


def run():
    # Not a variable of this module: with another value of it, a task would count as a different task.
    return int(os.environ.get("SLURM_RESTART_COUNT", 0)) + 1


def note(what, task):
    with open(f"{NOTES}.{what}", "a") as file:
        file.write(f"{task} {run()}\n")


def work(task):
    note("started", task)
    time.sleep(1 if run() == 1 else 0)
    note("finished", task)
    return task**2


with parallel_config(backend="mpi", checkpoint=f"{NOTES}.h5"):
    results = Parallel(n_jobs=-1)(delayed(work)(task) for task in range(N_TASKS))
assert results == [task**2 for task in range(N_TASKS)]
print("all results are right in run", run())
