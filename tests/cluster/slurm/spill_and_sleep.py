"""Spills results into the given folder and shares data until it is killed."""

import sys
import time

import numpy
from joblib import Parallel, delayed, parallel_config


def work(data, task):
    if task >= 20:
        time.sleep(600)
    return data + task


data = numpy.zeros(1_000_000)
with parallel_config(backend="mpi", spill_dir=sys.argv[1], spill_threshold=1000, scatter=[data]):
    Parallel(n_jobs=-1)(delayed(work)(data, task) for task in range(40))
