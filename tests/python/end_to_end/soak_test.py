"""Soak: random calls with random faults, after which nothing has grown.

JOBLIB_MPI_TEST_SOAK_SECONDS=3600 makes it an hour. The seed is printed with a failure; JOBLIB_MPI_TEST_SEED repeats it.
"""

import os
import random

import pytest

from support.time_limits import TIMEOUT_SECONDS

#: Seconds of all tests of this file together.
SECONDS = float(os.environ.get("JOBLIB_MPI_TEST_SOAK_SECONDS", "40"))
SEED = int(os.environ.get("JOBLIB_MPI_TEST_SEED", random.SystemRandom().randrange(1_000_000)))

#: Less is kept between calls than by default, so that what is never freed shows within few calls.
LITTLE_KEPT = {"JOBLIB_MPI_SPARE_BYTES": "4194304", "JOBLIB_MPI_KEPT_LIMIT": "4194304"}
#: Longer than a rank is silent on a busy machine.
LONG_HEARTBEAT = {"JOBLIB_MPI_HEARTBEAT_SECONDS": "60"}


def soak(mpirun, ranks, share, most_ranks=0, **options):
    """Run programs/soak.py for that share of the seconds, in which it kills that many ranks."""
    script = mpirun.copy("soak.py")
    seconds = share * SECONDS
    environment = LITTLE_KEPT | LONG_HEARTBEAT | options.pop("environment", {})
    print(f"JOBLIB_MPI_TEST_SEED={SEED}")
    return mpirun(
        ranks,
        *("-m", "joblib_mpi", str(script), str(SEED), str(seconds), str(most_ranks)),
        environment=environment,
        timeout=seconds + 2 * TIMEOUT_SECONDS,
        **options,
    )


@pytest.mark.parametrize(("ranks", "share"), [(1, 0.05), (2, 0.25), (4, 0.4)])
def test_results_are_right_and_nothing_grows_through_random_calls_and_faults(mpirun, ranks, share):
    ended = soak(mpirun, ranks, share)
    assert (ended.status, ended.stdout) == (0, "all results are right and nothing has grown\n"), ended


def test_results_are_right_and_nothing_grows_while_ranks_are_killed_too(mpirun):
    # Without ULFM, a dead rank is known by its silence; on a busy machine living ranks are silent for seconds, too.
    ended = soak(mpirun, 5, 0.3, 2, survives=True, environment={"JOBLIB_MPI_HEARTBEAT_SECONDS": "6"})
    assert ended.stdout == "all results are right and nothing has grown\n", ended
    assert ended.stderr.count("killed a rank") == 2, ended
    if mpirun.tells_of_dead_ranks:
        assert ended.status == 0, ended
