"""Runs 60 tasks on two workers; the second half of the tasks waits for a file `go` in the working folder."""

import time
from pathlib import Path

from joblib import Parallel, delayed, parallel_config

N_TASKS = 60


def note(what, task):
    with open(what, "a") as file:
        file.write(f"{task}\n")


def work(task):
    note("started", task)
    while task >= N_TASKS // 2 and not Path("go").exists():
        time.sleep(0.01)
    note("finished", task)
    return task**2


with parallel_config(backend="mpi"):
    results = Parallel(n_jobs=2)(delayed(work)(task) for task in range(N_TASKS))
assert results == [task**2 for task in range(N_TASKS)]
print("all results are right", flush=True)
