"""Tests of checkpoints on real ranks that are killed, told to end, and started again."""

import contextlib
import os
import re
import signal
import threading
import time

import pytest

from support.time_limits import TIMEOUT_SECONDS

N_TASKS = 60
RANKS = 3

QUICK = {"JOBLIB_MPI_CHECKPOINT_SECONDS": "0.02"}


def lines(mpirun, name):
    path = mpirun.folder / name
    return path.read_text().split() if path.exists() else []


def wait_for(found):
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_says(mpirun, process, text):
    """Wait for a line on stderr with ``text``; other lines, such as Open MPI's warnings, may precede it."""
    last_resort = threading.Timer(TIMEOUT_SECONDS, mpirun.kill_all)
    last_resort.start()
    said = []
    for line in process.stderr:
        said.append(line)
        if text in line:
            break
    last_resort.cancel()
    assert any(text in line for line in said), "".join(said)


def wait_until_nothing_more_starts(mpirun, rank_0):
    """Wait until rank 0's scheduler was told to start no more tasks; the call then waits for running ones."""

    def waits_for_tasks():
        os.kill(rank_0, signal.SIGUSR2)
        # Each thread lists its innermost function first, here one that end_checkpoint has called.
        return re.search(r"  File .*\n  File .* in end_checkpoint\n", (mpirun.folder / "stacks").read_text())

    wait_for(waits_for_tasks)


def n_written(mpirun):
    h5py = pytest.importorskip("h5py")
    n_results = 0
    for part in (mpirun.folder / "run.h5.parts").glob("part-*.h5"):
        with contextlib.suppress(FileNotFoundError), h5py.File(part) as file:
            n_results += len(file["records"])
    return n_results


def start(mpirun, options="{}", environment=QUICK):
    script = mpirun.copy("resumed.py")
    return mpirun.start(RANKS, "-m", "joblib_mpi", str(script), str(N_TASKS), options, environment=environment)


def finish_at_once(mpirun, process):
    (mpirun.folder / "go").touch()
    return mpirun.finish(process)


def run_at_once(mpirun, options="{}"):
    return finish_at_once(mpirun, start(mpirun, options))


def n_repeated(mpirun):
    return len(lines(mpirun, "started")) - N_TASKS


@pytest.mark.parametrize("options", ["{}", '{"pre_dispatch": "all", "batch_size": 5}'])
def test_after_kill_9_of_everything_only_what_was_in_flight_runs_again(mpirun, options):
    process = start(mpirun, options)
    wait_for(lambda: len(lines(mpirun, "finished")) == N_TASKS // 2 and n_written(mpirun) == N_TASKS // 2)
    process.kill()
    mpirun.kill_all()
    assert mpirun.finish(process).status == -signal.SIGKILL
    mpirun.may_leave_open_mpi_files = True
    again = run_at_once(mpirun, options)
    assert (again.status, again.stdout) == (0, "right\n"), again
    assert n_repeated(mpirun) <= RANKS - 1
    assert sorted(path.name for path in mpirun.folder.glob("run.h5*")) == ["run.h5"]
    third = run_at_once(mpirun, options)
    assert (third.status, third.stdout) == (0, "right\n"), third
    assert n_repeated(mpirun) <= RANKS - 1


@pytest.mark.parametrize("number", [signal.SIGUSR1, pytest.param(signal.SIGTERM, marks=pytest.mark.smoke)])
def test_told_to_end_the_run_lets_its_tasks_finish_and_is_to_be_started_again(mpirun, number):
    # Workers hold no waiting task, which could start before it is taken back.
    process = start(mpirun, environment={**QUICK, "JOBLIB_MPI_MAX_CREDITS": "1"})
    wait_for(lambda: len(lines(mpirun, "started")) == N_TASKS // 2 + RANKS - 1)
    (rank_0,) = map(int, lines(mpirun, "pid"))
    os.kill(rank_0, number)
    # Only after the signal has been heard may the tasks go on.
    said = f"joblib_mpi: {number.name}: the run is ending: running tasks have 60 s"
    wait_until_says(mpirun, process, said)
    wait_until_nothing_more_starts(mpirun, rank_0)
    told = finish_at_once(mpirun, process)
    assert told.status == 75, told
    assert lines(mpirun, "cleaned")
    assert n_written(mpirun) == N_TASKS // 2 + RANKS - 1
    again = run_at_once(mpirun)
    assert (again.status, again.stdout) == (0, "right\n"), again
    assert n_repeated(mpirun) <= RANKS - 1  # tasks that started just when the previous ones finished


def test_tasks_that_do_not_finish_in_time_are_given_up(mpirun):
    process = start(
        mpirun, environment={**QUICK, "JOBLIB_MPI_CHECKPOINT_GRACE_SECONDS": "0.1", "JOBLIB_MPI_REQUEUE_STATUS": "99"}
    )
    wait_for(lambda: len(lines(mpirun, "started")) == N_TASKS // 2 + RANKS - 1)
    os.kill(int(lines(mpirun, "pid")[0]), signal.SIGUSR1)
    told = mpirun.finish(process)
    assert told.status == 99, told
    assert n_written(mpirun) == N_TASKS // 2
    again = run_at_once(mpirun)
    assert (again.status, again.stdout) == (0, "right\n"), again


def test_a_signal_between_calls_ends_the_program(mpirun):
    (mpirun.folder / "go").touch()
    process = start(mpirun)
    wait_for(lambda: lines(mpirun, "finished") and (mpirun.folder / "finished").read_text().count("\n") == N_TASKS)
    told = mpirun.finish(process)
    assert told.stdout == "right\n", told
    for name in ("go", "between"):
        (mpirun.folder / name).unlink()
    process = start(mpirun)
    wait_for((mpirun.folder / "between").exists)
    os.kill(int(lines(mpirun, "pid")[-1]), signal.SIGUSR1)
    assert mpirun.finish(process).status == 75
    assert n_repeated(mpirun) == 0


def test_workers_and_executors_outlive_the_signal_that_slurm_sends_to_all(mpirun):
    process = start(mpirun)
    wait_for(lambda: len(lines(mpirun, "started")) == N_TASKS // 2 + RANKS - 1)
    rank_0 = int(lines(mpirun, "pid")[0])
    # The launcher would pass the signal on to rank 0, too.
    signalled = [pid for pid in mpirun.processes() if pid not in (process.pid, rank_0)]
    assert len(signalled) >= 3 * (RANKS - 1)
    for _ in range(2):
        for pid in signalled:
            os.kill(pid, signal.SIGUSR1)
    done = finish_at_once(mpirun, process)
    assert (done.status, done.stdout) == (0, "right\n"), done
    assert n_repeated(mpirun) == 0


def test_a_run_that_is_killed_right_after_sigterm_keeps_all_results_that_had_come(mpirun):
    script, n_taken = mpirun.copy("killed_at_sigterm.py"), N_TASKS // 2
    command = "-m", "joblib_mpi", str(script), str(N_TASKS), str(n_taken)
    # Without a signal nothing would be written for a day.
    process = mpirun.start(RANKS, *command, environment={"JOBLIB_MPI_CHECKPOINT_SECONDS": "86400"})
    wait_for(lambda: len(lines(mpirun, "taken")) == 1)
    assert n_written(mpirun) == 0
    os.kill(int(lines(mpirun, "taken")[0]), signal.SIGTERM)
    wait_for(lambda: n_written(mpirun) >= n_taken)
    process.kill()
    mpirun.kill_all()
    mpirun.finish(process)
    mpirun.may_leave_open_mpi_files = True
    (mpirun.folder / "go").touch()
    again = mpirun(RANKS, *command)
    assert (again.status, again.stdout) == (0, "right\n"), again
    computed = lines(mpirun, "computed")
    assert all(computed.count(str(i)) == 1 for i in range(n_taken)), computed
