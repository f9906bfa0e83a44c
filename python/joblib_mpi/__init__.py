"""A joblib backend on the ranks of an MPI job.

``mpirun -n 4 python -m joblib_mpi script.py`` runs the script on rank 0. Inside
``joblib.parallel_config(backend="mpi")`` the tasks of its ``joblib.Parallel`` calls run on the other ranks. The script
need not import this package.
"""

from joblib_mpi import import_path

# This comes before anything is imported that the working directory may also have.
import_path.leave_out_working_directory()

from joblib_mpi import thread_limits  # noqa: E402

# This comes before anything below imports numpy, because the numeric libraries read their limits once.
thread_limits.apply_to_worker_rank()

try:
    from joblib_mpi._core import CheckpointError, SessionError, SpillError, VersionMismatchError, __version__
except ImportError as error:  # a library is missing, perhaps on this rank only
    error.add_note(thread_limits.missing_library_hint())
    raise
from joblib_mpi.backend import MpiBackend, register  # noqa: E402
from joblib_mpi.checkpoint.checkpoint_signals import CheckpointInterrupt  # noqa: E402
from joblib_mpi.joining import cluster, init, shutdown  # noqa: E402
from joblib_mpi.on_workers import run_on_workers  # noqa: E402
from joblib_mpi.payloads.errors import RemoteTraceback, TaskCancelled, WorkerImportError  # noqa: E402
from joblib_mpi.payloads.lost_tasks import TaskTimeoutError, WorkerLostError  # noqa: E402
from joblib_mpi.scattering import scatter, stats  # noqa: E402
from joblib_mpi.session import worker  # noqa: E402
from joblib_mpi.worker_identity import Worker  # noqa: E402

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

register()
