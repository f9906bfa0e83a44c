"""Print what happens to large results and checkpoints in folders that not all hosts share or may write to.

``folders_of_hosts.py FOLDER``, in which `not_shared` is another folder on n2, and `locked_there` and `locked_here` are
read-only on n2 and on rank 0's host. `shared` is one folder on all hosts, and the working directory of a call without
`spill_dir`.
"""

import os
import sys
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config

import joblib_mpi


def table(index):
    return np.full(500_000, float(index))


def attempt(name, **options):
    try:
        with parallel_config(backend="mpi", **options):
            results = Parallel(n_jobs=-1, batch_size=1)(delayed(table)(index) for index in range(12))
    except (joblib_mpi.SpillError, joblib_mpi.CheckpointError) as error:
        print(f"{name}: {type(error).__name__}: {error}", flush=True)
    else:
        right = all(np.array_equal(result, table(index)) for index, result in enumerate(results))
        print(f"{name}: {'right' if right else 'WRONG'}", flush=True)


folder = Path(sys.argv[1])
os.chdir(folder / "shared")
attempt("nothing large")
print(f"nothing large: {os.listdir()}", flush=True)
attempt("shared", spill_threshold="1MB")
print(f"shared: {len(os.listdir())} folder", flush=True)
for name in ("not_shared", "locked_there", "locked_here"):
    attempt(f"{name}, room", spill_dir=folder / name, spill_threshold="1MB")
    attempt(f"{name}, no room", spill_dir=folder / name, spill_threshold="1MB", memory_budget="1MB")
    attempt(f"{name}, checkpoint", checkpoint=folder / name / "run.h5")
attempt("not_shared, resumed", checkpoint=folder / "not_shared" / "run.h5")
