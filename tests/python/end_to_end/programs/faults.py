"""Functions for tasks that fail on purpose, and for scripts on rank 0 that check what tasks have done."""

import os
import signal
import threading
import time

import numpy
from joblib import Parallel, delayed, parallel_config

N_TASKS = 40


def note(name, text):
    """Add a line to a file that tasks and script share."""
    with open(name, "a") as file:
        file.write(f"{text}\n")


def noted(name):
    """Return the words of a file."""
    try:
        with open(name) as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def wait_for(found):
    """Wait until `found()` is true."""
    while not found():
        time.sleep(0.01)


def is_first(name):
    """Return True for the first caller with this name."""
    try:
        os.close(os.open(name, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def dead(pid):
    """Return whether the process has ended, reaped or not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def compute(i, fault=None):
    """Return a number, unless this is task 7 and the first one with `fault`."""
    note("runs", i)
    if i == 7 and fault is not None and is_first("fault"):
        fault()
    return float(numpy.arange(i + 1).sum())


def all_tasks(fault=None, **options):
    """Return the results of all tasks."""
    with parallel_config(backend="mpi", **options):
        return Parallel(batch_size=1)(delayed(compute)(i, fault) for i in range(N_TASKS))


def square(x):
    """Return the square."""
    return x * x


def check_next_call():
    """Print "clean" if a further call returns the right results."""
    squares = Parallel(backend="mpi", batch_size=1)(delayed(square)(i) for i in range(30))
    print("clean" if squares == [i * i for i in range(30)] else squares)


def hog():
    """Use up all memory."""
    held = []
    while True:
        held.append(b"x" * 20_000_000)


def endless():
    """Compute without end."""
    while True:
        pass


def stubborn():
    """Catch every exception that is to end this task."""
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass


def fork_and_die():
    """End and leave children that keep running."""
    for _ in range(3):
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
        note("children", child)
    os._exit(9)


def wait_to_be_killed():
    """Tell `kill_who_waits` which process to kill."""
    note("pid", os.getpid())
    time.sleep(600)


def kill_who_waits():
    """Kill, from a thread of rank 0, the task that waits for it."""

    def kill():
        wait_for(lambda: noted("pid"))
        os.kill(int(noted("pid")[0]), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
