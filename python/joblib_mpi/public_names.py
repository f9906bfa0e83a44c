"""All public names of the package but those of the compiled part; imports the whole package."""

import joblib_mpi
from joblib_mpi.backend import MpiBackend, register
from joblib_mpi.checkpoint.checkpoint_signals import CheckpointInterrupt
from joblib_mpi.joining import cluster, init, shutdown
from joblib_mpi.on_workers import run_on_workers
from joblib_mpi.payloads.errors import RemoteTraceback, TaskCancelled, WorkerImportError
from joblib_mpi.payloads.lost_tasks import TaskTimeoutError, WorkerLostError
from joblib_mpi.scattering import scatter, stats
from joblib_mpi.session import worker
from joblib_mpi.worker_identity import Worker

__all__ = [
    "CheckpointInterrupt",
    "MpiBackend",
    "RemoteTraceback",
    "TaskCancelled",
    "TaskTimeoutError",
    "Worker",
    "WorkerImportError",
    "WorkerLostError",
    "cluster",
    "init",
    "register",
    "run_on_workers",
    "scatter",
    "shutdown",
    "stats",
    "worker",
]


def bind() -> None:
    """Give the package these names, and register the backend."""
    for name in __all__:
        setattr(joblib_mpi, name, globals()[name])
    register()
