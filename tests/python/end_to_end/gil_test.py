"""Tests that other Python threads go on while a compiled function waits.

With the GIL, a function that is held up stops the thread that would let it go on.
"""

import os
import subprocess
import sys

import pytest


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


def test_a_journal_that_waits_for_another_run_lets_other_threads_go_on(mpirun):
    mpirun.copy("waiting.py")
    script = mpirun.write(
        "journal.py",
        """
    import subprocess, sys
    from joblib_mpi._core import Journal
    from waiting import Waiting

    hold = "import sys; from joblib_mpi._core import Journal"
    hold += "; journal = Journal('run.h5', ''); print(flush=True); sys.stdin.read()"
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    call = Waiting(Journal, "run.h5", "")
    print(call.waits)
    holder.communicate()
    call.join()
    """,
    )
    environment = {**os.environ, "JOBLIB_MPI_CHECKPOINT_WAIT_SECONDS": "200"}
    ended = subprocess.run(
        [sys.executable, script],
        cwd=script.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ended.stdout == "True\n", ended
