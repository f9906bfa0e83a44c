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


def test_a_folder_whose_removal_takes_long_lets_other_threads_go_on(mpirun):
    mpirun.copy("waiting.py")
    (mpirun.folder / "bin").mkdir()
    slow = mpirun.write("bin/rm", '#!/bin/sh\nread -r go <go\nPATH=${PATH#*:} exec rm "$@"\n')
    slow.chmod(0o755)
    script = mpirun.write(
        "folder.py",
        """
    import os
    from joblib_mpi._core import FolderReaper
    from waiting import Waiting

    os.mkdir("folder")
    os.mkfifo("go")
    reapers = [FolderReaper("folder")]
    call = Waiting(reapers.clear)
    print(call.waits)
    open("go", "w").close()
    call.join()
    print(os.path.exists("folder"))
    """,
    )
    ended = subprocess.run(
        [sys.executable, script],
        cwd=script.parent,
        env={**os.environ, "PATH": f"{slow.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ended.stdout == "True\nFalse\n", ended


def test_rank_0_takes_the_locks_of_its_session_without_the_gil(mpirun):
    """The session's thread may have the lock and wait for a file, so that every Python thread would wait with it."""
    library = mpirun.folder / "locks_with_gil.so"
    subprocess.run(["c++", "-shared", "-fPIC", "-O1", "-o", library, mpirun.copy("locks_with_gil.cpp")], check=True)
    ended = mpirun.script(
        2,
        """
    import ctypes, pickle, sys
    import joblib_mpi

    library = ctypes.PyDLL("./locks_with_gil.so")
    joblib_mpi.init()
    core = joblib_mpi.session.current().core

    def count(function, *arguments, **options):
        library.count_locks()
        result = function(*arguments, **options)
        library.stop_counting()
        print(function.__name__, library.locks() > 0, library.locks_with_gil())
        return result

    call = count(core.start_call, max_running=1, retries=0, retry_exceptions=False, task_timeout=0.0, memory_limit=0)
    count(core.submit, call, 0, 1, "task", b"", (), ())
    count(core.next_results, 0.0)
    count(core.object_stats)
    count(core.results_fill_memory, call)
    count(core.stop_starting, call)
    count(core.end_call, call)
    count(core.drop, count(core.scatter, b"", (b"0" * 1000,)))
    """,
        environment={"LD_PRELOAD": str(library)},
    )
    names = "start_call submit next_results object_stats results_fill_memory stop_starting end_call scatter drop"
    assert ended.stdout == "".join(f"{name} True 0\n" for name in names.split()), ended
