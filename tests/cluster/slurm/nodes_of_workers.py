"""Prints on which nodes the workers of the job are."""

import socket

from joblib_mpi import run_on_workers

print("workers on", *sorted(run_on_workers(socket.gethostname, once_per_host=True)))
