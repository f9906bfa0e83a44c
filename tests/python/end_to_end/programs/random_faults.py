"""Runs a thousand tasks or more while executors, and MOST_RANKS ranks, are killed at random: SEED MOST_RANKS."""

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from itertools import count

from joblib import Parallel, delayed, parallel_config

seed, most_ranks = int(sys.argv[1]), int(sys.argv[2])


def work(i):
    with open("/proc/self/comm", "w") as name:
        name.write("has_worked")
    time.sleep(0.001 * (i % 10))
    return i, bytes(200_000) if i % 100 == 0 else i * i


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def has_worked(pid):
    # Other processes are spared: a rank retires if its executors are killed faster than this machine starts them.
    try:
        with open(f"/proc/{pid}/comm") as name:
            return name.read() == "has_worked\n"
    except OSError:
        return False


def runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def worker_ranks():
    return [pid for pid in children(os.getppid()) if pid != os.getpid() and runs(pid)]


def processes_of(ranks):
    groups = set(ranks)  # a rank leads the group of its processes
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(OSError):
            if os.getpgid(pid) in groups:
                found.append(pid)
    return found


def kill_until(done, killed):
    chance = random.Random(seed)
    rank_kills = sorted(chance.randrange(5, 25) for _ in range(most_ranks))
    for turn in range(10_000):
        if done.wait(chance.uniform(0.02, 0.06)):
            return
        ranks = worker_ranks()
        if killed["ranks"] < most_ranks and turn >= rank_kills[killed["ranks"]]:
            kind, victims = "ranks", ranks
        else:
            kind, victims = "executors", [pid for pid in processes_of(ranks) if has_worked(pid)]
        if victims:
            try:
                os.kill(chance.choice(sorted(victims)), signal.SIGKILL)
                killed[kind] += 1
            except ProcessLookupError:
                pass


def numbers():
    for i in count():
        if i >= 1000 and killed["executors"] >= 5 and killed["ranks"] >= most_ranks:
            break
        yield i


done, killed = threading.Event(), Counter()
killer = threading.Thread(target=kill_until, args=(done, killed))
killer.start()
with parallel_config(backend="mpi", retries=30):
    results = Parallel(return_as="generator_unordered", batch_size=1)(delayed(work)(i) for i in numbers())
    results = list(results)
done.set()
killer.join()
n_tasks = len(results)
expected = {i: bytes(200_000) if i % 100 == 0 else i * i for i in range(n_tasks)}
print(n_tasks >= 1000, dict(results) == expected, killed["executors"] >= 5, killed["ranks"], flush=True)
