"""Keep an array on two hosts for later calls, say "kept", and print "it gave way" once it is kept no longer."""

import time

import numpy as np
from joblib import Parallel, delayed, parallel_config

import joblib_mpi


def total(array, k):
    return float(array.sum()) + k


array = np.ones(10_000_000)
with parallel_config(backend="mpi"):
    for _ in range(2):
        totals = Parallel(n_jobs=-1, batch_size=1)(delayed(total)(array, k) for k in range(8))
        assert totals == [1e7 + k for k in range(8)]
    assert joblib_mpi.stats()["automatic_objects"] == 1, joblib_mpi.stats()
    time.sleep(1)
    assert joblib_mpi.stats()["automatic_objects"] == 1, joblib_mpi.stats()
    print("kept", flush=True)
    while joblib_mpi.stats()["automatic_objects"] > 0:
        time.sleep(0.05)
    print("it gave way", flush=True)
