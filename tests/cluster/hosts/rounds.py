"""Make one call after another, each with another array that all tasks share, as long as a file exists.

After each call it checks the results and prints the hosts on which the tasks ran: ``rounds.py FILE``.
"""

import itertools
import socket
import sys
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed, parallel_config


def work(values, index):
    time.sleep(0.005)
    return socket.gethostname(), values[index] + values[-1]


for number in itertools.count(1):
    if not Path(sys.argv[1]).exists():
        break
    array = np.arange(250_000.0) + number
    with parallel_config(backend="mpi", scatter=[array]):
        results = Parallel(n_jobs=-1)(delayed(work)(array, index) for index in range(64))
    assert [value for _, value in results] == [array[index] + array[-1] for index in range(64)]
    print(f"round {number} is right, by", *sorted({host for host, _ in results}), flush=True)
print("all results are right")
