"""Tests of programs with workers of their own while processes are killed at random moments, the program at last."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from support.time_limits import END_SECONDS, TIMEOUT_SECONDS

#: JOBLIB_MPI_TEST_ROUNDS=6 kills more processes.
ROUNDS = int(os.environ.get("JOBLIB_MPI_TEST_ROUNDS", "1"))
KILLS_PER_ROUND = 6
#: The longest time from one call that has ended to the next kill.
LONGEST_PAUSE_SECONDS = 0.5


@pytest.fixture
def program(place):
    """Return `program(seed)`, which starts programs/many_calls.py without any launcher."""
    script = Path(__file__).parent / "programs" / "many_calls.py"

    def start(seed):
        return subprocess.Popen(
            [sys.executable, str(script), str(seed)],
            cwd=place.folder,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def n_calls(place):
    """Return the number of calls that have ended."""
    calls = place.folder / "calls"
    return calls.read_text().count("\n") if calls.exists() else 0


def wait_for_a_call(place, process):
    """Wait until another call has ended, and one that began after this function was called."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    enough = n_calls(place) + 2
    while n_calls(place) < enough:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the program hangs"
        time.sleep(0.01)


def wait_until_none_is_left(mpirun):
    """Wait until no process of the test is left."""
    deadline = time.monotonic() + END_SECONDS
    while mpirun.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not mpirun.processes()


def kill_one(mpirun, process, chance):
    """Kill a process of the program's job: rank, executor or launcher."""
    victims = sorted(set(mpirun.processes()) - {process.pid})
    if victims:
        with suppress(ProcessLookupError):
            os.kill(chance.choice(victims), signal.SIGKILL)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_program_goes_on_whichever_process_of_its_job_is_killed(program, place, mpirun, round_):
    chance = random.Random(round_)
    process = program(round_)
    for _ in range(KILLS_PER_ROUND):
        wait_for_a_call(place, process)
        time.sleep(chance.uniform(0, LONGEST_PAUSE_SECONDS))
        kill_one(mpirun, process, chance)
    (place.folder / "enough").touch()
    output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0, output
    # The program's last line; ranks and launchers of Open MPI may say after it that they miss what was killed.
    assert "True" in output.splitlines(), output
    wait_until_none_is_left(mpirun)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_nothing_is_left_of_a_program_that_is_killed_at_any_moment(program, place, mpirun, round_):
    chance = random.Random(round_)
    process = program(round_)
    if chance.random() < 0.7:  # otherwise while its ranks start
        wait_for_a_call(place, process)
    time.sleep(chance.uniform(0, LONGEST_PAUSE_SECONDS))
    process.kill()
    process.communicate(timeout=END_SECONDS)
    wait_until_none_is_left(mpirun)
