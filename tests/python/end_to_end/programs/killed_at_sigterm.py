"""Takes some results of a call, writes "taken", and has its main thread stay in compiled code: N_TASKS N_TAKEN.

If there is a file "go", all results are taken.
"""

import ctypes
import os
import sys

from joblib import Parallel, delayed, parallel_config

n_tasks, n_taken = map(int, sys.argv[1:])


def square(i):
    """Return the square of i, and note that it was computed."""
    with open("computed", "a") as file:
        file.write(f"{i}\n")
    return i * i


def stay_in_compiled_code():
    """Lock a mutex twice: no signal handler of Python runs any more."""
    libc = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(64)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


with parallel_config(backend="mpi", checkpoint="run.h5"):
    results = Parallel(return_as="generator", pre_dispatch=1)(delayed(square)(i) for i in range(n_tasks))
    if not os.path.exists("go"):
        taken = [next(results) for _ in range(n_taken)]
        with open("taken", "w") as file:
            file.write(str(os.getpid()))
        stay_in_compiled_code()
    print("right" if list(results) == [i * i for i in range(n_tasks)] else "wrong")
