"""The number of workers of a call, and the number of tasks that joblib is told to keep running for them."""

import warnings

from joblib_mpi.user_code import stack_level

_warned_about_one_rank = False


def workers_for(n_jobs: int, n_workers: int) -> int:
    """Return how many workers ``n_jobs`` asks for, as joblib counts cores: at least one, at most all."""
    return max(n_workers + 1 + n_jobs, 1) if n_jobs < 0 else min(n_jobs, n_workers)


def tasks_at_a_time(n_jobs: int, n_workers: int) -> int:
    """Return how many tasks joblib keeps running for ``n_jobs``; warns, once, if there are no workers.

    That is 1 without workers, so that joblib runs the tasks inline, and 2 for a single worker.
    """
    if n_workers == 0:
        warn_about_one_rank()
        return 1
    if n_workers == 1 and (n_jobs == -1 or n_jobs > 1):
        return 2
    return workers_for(n_jobs, n_workers)


def warn_about_one_rank() -> None:
    """Warn, once, that the job has no workers."""
    global _warned_about_one_rank
    if not _warned_about_one_rank:
        _warned_about_one_rank = True
        warnings.warn(
            "the MPI job has one rank and so no workers: tasks run on rank 0, one at a time. "
            'Start it with "mpirun -n N", N > 1.',
            stacklevel=stack_level(),
        )
