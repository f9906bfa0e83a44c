"""Print how tasks on two hosts get memory maps of files in folders that the hosts share and do not share.

``maps_of_hosts.py FOLDER``, in which `shared` is one folder, `not_shared` is another, empty folder on n2, and `copied`
is a folder that has another file of the same name on n2.
"""

import socket
import sys
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config

N_TASKS = 12


def fill(data, out, row):
    if out is not None:
        out[row] = data[row].sum()
    return type(data).__name__, socket.gethostname(), float(data[row].sum())


def attempt(name, data, out):
    try:
        with parallel_config(backend="mpi"):
            done = Parallel(n_jobs=-1, batch_size=1)(delayed(fill)(data, out, row) for row in range(N_TASKS))
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}", flush=True)
        return
    kinds = ", ".join(sorted({f"{kind} on {host}" for kind, host, _ in done}))
    right = all(value == 1000.0 * row for row, (*_, value) in enumerate(done))
    if out is not None:
        right = right and out.tolist() == [1000.0 * row for row in range(N_TASKS)]
    print(f"{name}: {'right' if right else 'WRONG'}: {kinds}", flush=True)


for name in ("shared", "not_shared", "copied"):
    folder = Path(sys.argv[1]) / name
    numbers = np.lib.format.open_memmap(folder / "data.npy", mode="w+", dtype=float, shape=(200, 1000))
    numbers[:] = np.arange(200.0)[:, None]
    numbers.flush()
    data = np.load(folder / "data.npy", mmap_mode="r")
    attempt(f"{name}, to read", data, None)
    attempt(f"{name}, few bytes", data[:N_TASKS, :1000], None)
    attempt(f"{name}, to write", data, np.memmap(folder / "out", float, "w+", shape=N_TASKS))
