"""The start of a call: its buffers, what surrounds its tasks, and what pickles them, in one session."""

from joblib.parallel import ParallelBackendBase

from joblib_mpi.calls.call import Call
from joblib_mpi.calls.dispatcher import Encode
from joblib_mpi.calls.running_calls import CallSettings
from joblib_mpi.calls.shipping import shipped
from joblib_mpi.checkpoint.checkpoint import CheckpointedCall
from joblib_mpi.payloads.kept_functions import LEAST_KEPT_BYTES
from joblib_mpi.payloads.task_context import TaskContext, authkey
from joblib_mpi.payloads.task_format import TaskEncoder
from joblib_mpi.scattering import ScatteredObjects
from joblib_mpi.session import Session
from joblib_mpi.sharing.call_buffers import CallBuffers


def start_call(
    session: Session,
    settings: CallSettings,
    scattered: ScatteredObjects,
    max_running: int,
    nested_backend: ParallelBackendBase,
    inner_max_num_threads: int | None,
    kept: CheckpointedCall | None = None,
) -> tuple[Call, Encode]:
    """Start a call.

    Parameters
    ----------
    session : Session
        The session whose workers run its tasks.
    settings : CallSettings
        Its settings.
    scattered : ScatteredObjects
        The scattered objects of the session.
    max_running : int
        The number of tasks that may run at a time.
    nested_backend : joblib.parallel.ParallelBackendBase
        The backend for ``Parallel`` inside its tasks.
    inner_max_num_threads : int, optional
        As for `MpiBackend`.
    kept : CheckpointedCall, optional
        The part of a checkpoint that has its results.

    Returns
    -------
    tuple of Call and callable
        The call, which the caller ends, and what pickles its batches.
    """
    options = settings.options
    if options.memory_limit is None:
        options = options._replace(memory_limit=session.memory_limit)
    watched = () if settings.buffers is None else (settings.buffers.watched,)
    buffers = CallBuffers(session.shared, settings.sharing.threshold, scattered.regions, *watched)
    try:
        modules = shipped(options.ship, buffers)
    except BaseException:
        buffers.release()
        raise
    context = TaskContext(
        nested_backend=nested_backend,
        nested_n_jobs=None,
        inner_max_num_threads=inner_max_num_threads,
        script=session.script.packed(),
        authkey=authkey(),
        initializer=settings.initializer,
        shipped=modules,
        kept_function_bytes=max(LEAST_KEPT_BYTES, session.shared.kept_function_bytes),
    )
    call = session.dispatcher.start_call(max_running, options, buffers, kept)
    return call, TaskEncoder(context, scattered.ids, buffers, settings.sharing.private).encode
