"""Tests that other Python threads go on while a compiled function waits.

A FIFO in the place of a file holds a function up until the other end is opened, and so holds up all functions that need
what that function has locked. With the GIL, a function that is held up stops the thread that would open the FIFO.
"""

import subprocess
import sys

import pytest

CALLS = """
    import os
    from joblib_mpi import session
    from waiting import Waiting

    core = session.require().core
    options = dict(max_running=1, retries=0, retry_exceptions=False, task_timeout=0.0, memory_limit=0)

    def hold_the_driver(folder):
        '''Start a call that looks, with the driver locked, whether the lock of another job's folder is free.'''
        os.makedirs(f"{folder}/joblib-mpi-of-another-job")
        lock = f"{folder}/joblib-mpi-of-another-job/lock"
        os.mkfifo(lock)
        return Waiting(core.start_call, **options, spill_dir=folder), lock
"""


def test_functions_that_wait_for_the_driver_let_other_threads_go_on(mpirun):
    mpirun.copy("waiting.py")
    ended = mpirun.script(
        2,
        CALLS
        + """
    calls = [core.start_call(**options) for _ in range(3)]
    shared = core.scatter(b"", [])
    holder, lock = hold_the_driver("spill")
    held_up = {
        name: Waiting(getattr(core, name), *arguments, **keywords)
        for name, arguments, keywords in [
            ("start_call", (), options),
            ("submit", (calls[0], 0, "f", b"", [], []), {}),
            ("stop_starting", (calls[1],), {}),
            ("end_call", (calls[2],), {}),
            ("scatter", (b"", []), {}),
            ("drop", (shared,), {}),
            ("object_stats", (), {}),
            ("results_fill_memory", (calls[0],), {}),
            ("next_results", (0.0,), {}),
        ]
    }
    print(*(name for name, call in held_up.items() if call.waits))
    open(lock, "w").close()
    for call in (holder, *held_up.values()):
        call.join()
    print(held_up["start_call"].result > 0, held_up["object_stats"].result["objects"] >= 0)
    """,
    )
    assert ended.stdout.splitlines() == [
        "start_call submit stop_starting end_call scatter drop object_stats results_fill_memory next_results",
        "True True",
    ], ended


def test_the_end_of_a_session_lets_other_threads_go_on(mpirun):
    mpirun.copy("waiting.py")
    ended = mpirun.script(
        2,
        CALLS
        + """
    holder, lock = hold_the_driver("spill")
    end = Waiting(core.close, 0)
    print(end.waits)
    open(lock, "w").close()
    holder.join()
    end.join()
    """,
    )
    assert ended.stdout == "True\n", ended


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_a_worker_that_waits_for_a_task_lets_threads_of_earlier_tasks_go_on(mpirun, isolation):
    mpirun.copy("waiting.py")
    ended = mpirun.script(
        2,
        """
    import os, threading, time
    from joblib import Parallel, delayed
    from waiting import HANG_SECONDS, is_waiting

    def leave_a_thread():
        def note_the_wait(serving_thread):
            while not is_waiting(serving_thread):
                time.sleep(0.001)
            open("waited", "w").close()
        threading.Thread(target=note_the_wait, args=(threading.get_native_id(),), daemon=True).start()

    Parallel(backend="mpi")([delayed(leave_a_thread)()])
    end = time.monotonic() + HANG_SECONDS
    while not os.path.exists("waited"):
        assert time.monotonic() < end
        time.sleep(0.01)
    print("waited")
    """,
        options=("--isolation", isolation),
    )
    assert ended.stdout == "waited\n", ended


JOURNAL = """
import glob, os
from joblib_mpi._core import Journal, JournaledCall
from waiting import Waiting

def replace_by_fifo(path):
    if os.path.exists(path):
        os.remove(path)
    os.mkfifo(path)

def end(journal):
    '''Let go of the last reference.'''
    journal.pop()
"""


@pytest.mark.parametrize(
    ("call", "n_parts"),
    [
        ("Waiting(Journal, 'held.h5', '')", 0),
        ("Waiting(journal[0].finish)", 1),
        # A journal reads half of its parts again when it has more than 64 of them.
        ("Waiting(journal[0].flush)", 64),
        ("Waiting(end, journal)", 64),
    ],
)
def test_a_journal_that_waits_for_the_disk_lets_other_threads_go_on(mpirun, call, n_parts):
    mpirun.copy("waiting.py")
    script = mpirun.write(
        "journal.py",
        JOURNAL
        + f"""
journal = [Journal("run.h5", "")]
tasks = JournaledCall(journal[0], 0)
def keep(index):
    tasks.find(index, 0, 0, "f")
    tasks.keep(index, b"result", [])
for index in range({n_parts}):
    keep(index)
    journal[0].flush()
fifos = ["held.h5", *sorted(glob.glob("run.h5.parts/part-*.h5"))[:40]]
for fifo in fifos:
    replace_by_fifo(fifo)
keep({n_parts})
del tasks
call = {call}
print(call.waits)
for fifo in fifos:
    os.open(fifo, os.O_RDWR)
call.join()
""",
    )
    ended = subprocess.run(
        [sys.executable, script], cwd=script.parent, capture_output=True, text=True, check=False, timeout=240
    )
    assert ended.stdout == "True\n", ended
