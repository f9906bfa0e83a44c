"""A joblib backend on the ranks of an MPI job.

``mpirun -n 4 python -m joblib_mpi script.py`` runs the script on rank 0. Inside
``joblib.parallel_config(backend="mpi")`` the tasks of its ``joblib.Parallel`` calls run on the other ranks. The script
need not import this package.
"""

from joblib_mpi import import_path

# This comes before anything is imported that the working directory may also have.
import_path.leave_out_working_directory()

import typing  # noqa: E402

from joblib_mpi import thread_limits  # noqa: E402

# This comes before anything below imports numpy, because the numeric libraries read their limits once.
thread_limits.apply_to_worker_rank()

try:
    from joblib_mpi._core import CheckpointError, SessionError, SpillError, VersionMismatchError, __version__
except ImportError as error:  # a library is missing, perhaps on this rank only
    error.add_note(thread_limits.missing_library_hint())
    raise

if typing.TYPE_CHECKING:
    from joblib_mpi.public_names import (
        CheckpointInterrupt,
        MpiBackend,
        RemoteTraceback,
        TaskCancelled,
        TaskTimeoutError,
        Worker,
        WorkerImportError,
        WorkerLostError,
        cluster,
        init,
        register,
        run_on_workers,
        scatter,
        shutdown,
        stats,
        worker,
    )

__all__ = [
    "CheckpointError",
    "CheckpointInterrupt",
    "MpiBackend",
    "RemoteTraceback",
    "SessionError",
    "SpillError",
    "TaskCancelled",
    "TaskTimeoutError",
    "VersionMismatchError",
    "Worker",
    "WorkerImportError",
    "WorkerLostError",
    "__version__",
    "cluster",
    "init",
    "register",
    "run_on_workers",
    "scatter",
    "shutdown",
    "stats",
    "worker",
]


# A worker rank that `python -m joblib_mpi` runs on does without, if another process of its node imports it.
if not (import_path.is_for_main_module() and thread_limits.launched_rank()):
    from joblib_mpi import public_names

    public_names.bind()
