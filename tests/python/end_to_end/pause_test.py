"""Tests of processes that stop for longer than the heartbeat and go on: executors, workers and rank 0.

JOBLIB_MPI_TEST_PAUSES="12 30 60" makes them stop for so many seconds, with the heartbeat that jobs have by default.
"""

import os

import pytest

from support.time_limits import TIMEOUT_SECONDS

REAL_PAUSES = os.environ.get("JOBLIB_MPI_TEST_PAUSES", "").split()
HEARTBEAT_SECONDS = "10" if REAL_PAUSES else "0.5"
# Longer than workers wait for a rank 0 of which they know nothing else, unless given.
PAUSES = REAL_PAUSES or ["6"]

SCRIPT = """
    import os, signal, subprocess, sys, time
    from joblib import Parallel, delayed, parallel_config
    import joblib_mpi
    import numpy

    HEARTBEAT_SECONDS = float(os.environ["JOBLIB_MPI_HEARTBEAT_SECONDS"])
    PAUSE_SECONDS = float(sys.argv[1])

    def processes(_):
        time.sleep(0.002)
        return os.getpid(), os.getpgrp()  # executor, rank: it leads the group of its processes

    def last(values, _):
        return values[-1]

    def last_after_a_while(values, _):
        time.sleep(0.05)
        return values[-1]

    def call(function, arguments, **options):
        # On a busy machine a worker that nothing has stopped may be given up, too.
        with parallel_config(backend="mpi", retries=50, **options):
            return Parallel(batch_size=1)(delayed(function)(*each) for each in arguments)

    def ranks():
        return {rank for _, rank in call(processes, [(i,) for i in range(20)])}

    def go_on_after(seconds, pid):
        return subprocess.Popen(["sh", "-c", f"sleep {seconds}; kill -CONT {pid}"])

    everyone = ranks()
    while len(everyone) < 3:
        everyone |= ranks()

    executor, rank = call(processes, [(0,)])[0]
    os.kill(executor, signal.SIGSTOP)
    helper = go_on_after(min(PAUSE_SECONDS, 3 * HEARTBEAT_SECONDS), executor)
    call(processes, [(i,) for i in range(20)])
    helper.wait()
    print("an executor has paused")

    before = joblib_mpi.scatter(numpy.full(200_000, 1.0))
    assert set(call(last, [(before, i) for i in range(20)])) == {1.0}
    begin = time.monotonic()
    os.kill(rank, signal.SIGSTOP)
    # The stopped worker gets a task while the two others are busy. It ends only where another one runs it again.
    during = joblib_mpi.scatter(numpy.full(200_000, 2.0))
    assert set(call(last_after_a_while, [(during, i) for i in range(20)])) == {2.0}
    time.sleep(max(0, begin + PAUSE_SECONDS - time.monotonic()) if HEARTBEAT_SECONDS >= 10 else 0)
    os.kill(rank, signal.SIGCONT)
    while rank not in ranks():
        pass
    after = joblib_mpi.scatter(numpy.full(200_000, 3.0))
    for values, expected in ((before, 1.0), (during, 2.0), (after, 3.0)):
        assert set(call(last, [(values, i) for i in range(30)])) == {expected}
    print("a worker has paused")

    helper = go_on_after(PAUSE_SECONDS, os.getpid())
    os.kill(os.getpid(), signal.SIGSTOP)
    helper.wait()
    found = ranks()
    while found != everyone:
        found |= ranks()
    print("rank 0 has paused")
    """


@pytest.mark.parametrize("survives", [False, True])
@pytest.mark.parametrize("pause", PAUSES)
def test_a_pause_costs_no_job(mpirun, pause, survives):
    environment = {"JOBLIB_MPI_HEARTBEAT_SECONDS": HEARTBEAT_SECONDS}
    timeout = TIMEOUT_SECONDS + 4 * float(pause)
    ended = mpirun.script(4, SCRIPT, pause, environment=environment, survives=survives, timeout=timeout)
    assert ended.status == 0, ended
    assert ended.stdout == "an executor has paused\na worker has paused\nrank 0 has paused\n", ended
    assert " is back and gets tasks again" in ended.stderr, ended
    assert "lost" not in ended.stderr.splitlines()[-1], ended
