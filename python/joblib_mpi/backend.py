"""The joblib backend named "mpi".

The methods are those of `joblib.parallel.ParallelBackendBase`; joblib's own documentation says when each is called.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import joblib
from joblib.parallel import AutoBatchingMixin, FallbackToBackend, ParallelBackendBase, SequentialBackend

from joblib_mpi import joblib_internals, joining
from joblib_mpi import session as sessions
from joblib_mpi._core import SessionError
from joblib_mpi.calls.back_pressure import BackPressure
from joblib_mpi.calls.call import Call
from joblib_mpi.calls.call_options import CallOptions, documented_with_options, shows_options, without_joblibs
from joblib_mpi.calls.dispatcher import Encode
from joblib_mpi.calls.initializer import pickled_initializer
from joblib_mpi.calls.inline_backend import InlineBackend
from joblib_mpi.calls.refilled_buffers import RefilledBuffers
from joblib_mpi.calls.running_call import RunningCall
from joblib_mpi.calls.running_calls import CallSettings, RunningCalls
from joblib_mpi.calls.single_tasks import GatheredOutcomes
from joblib_mpi.calls.tasks_at_a_time import tasks_at_a_time, workers_for
from joblib_mpi.checkpoint.checkpoint import CheckpointedCall, Checkpoints
from joblib_mpi.payloads.exception_access import accepting_a_traceback
from joblib_mpi.payloads.outcome import RETURNED, FinishedTask, Outcome, loaded_results, results_of
from joblib_mpi.scattering import ScatteredObjects, check_scatter
from joblib_mpi.sharing.sharing_options import Sharing
from joblib_mpi.start_call import start_call


class MpiBackend(AutoBatchingMixin, ParallelBackendBase):
    """Runs the tasks of ``joblib.Parallel`` on the worker ranks of the MPI job.

    Parameters
    ----------
    nesting_level : int, optional
        Given by joblib.
    inner_max_num_threads : int, optional
        The limit for OpenMP and BLAS threads inside a task. By default each worker has an equal share of the cores of
        its node.
    scatter : list of objects, optional
        Objects that many tasks use. Each is pickled once and broadcast to all ranks. Wherever one of these objects (the
        object itself, not an equal one) is in the arguments of a task, the copy on the worker's node takes its place.
        Its arrays are read-only there. The copies are freed when the ``with`` block ends.
    scheduler_host : str, optional
        The job whose workers are to be used, for a program that is no rank itself: the name that ``joblib-mpi list``
        shows, "auto" for the only job of this user on this machine or else in Slurm, "slurm:1234" for that of a Slurm
        job, HOST:PORT for one that listens there, the path of its socket or access file, or "ssh:NODE" and
        "ssh:NODE/JOB" for a job as it is named on another host, such as "ssh:login/slurm:1234". ``joblib-mpi serve``
        starts such a job. By default the environment variable JOBLIB_MPI_SCHEDULER_HOST.
    n_workers : int, optional
        The number of workers that a program which is no rank starts for itself, once, before its first call. By default
        as many as there are cores; see `joblib_mpi.cluster`.
    scheduler_file : str or path-like, optional
        The path of the access file of the job whose workers are to be used, in place of ``scheduler_host``.
    {options}

    Raises
    ------
    SessionError
        ``scatter`` is given and the program has no MPI session, or the job that ``scheduler_host`` names cannot be
        used; the text says why and what to do.
    TypeError
        ``scatter`` is not a list, one of its items cannot be pickled, or another argument has the wrong type.
    ValueError
        An argument is out of range. The text has the value and says what is allowed.
    CheckpointError
        Raised by a call: ``checkpoint`` cannot be written, is in use, or belongs to other calls, another program or
        another version.
    SpillError
        Raised by a call: ``spill_dir`` cannot be used, or there is no place for a result; the text says how much it
        needs.
    CheckpointInterrupt
        Raised by a call or anywhere in the main thread: SIGUSR1 or SIGTERM has arrived while a checkpoint was open.

    Notes
    -----
    ``n_jobs=None``, as in ``parallel_config(backend="mpi")`` without ``n_jobs``, means all worker ranks.

    The options from ``retries`` on can also be given to one call: ``Parallel(backend="mpi", retries=5)`` (joblib 1.5
    and later). With ``on_error="return"``, ``task_timeout`` or ``checkpoint`` each task is sent by itself, also with
    a larger ``batch_size``, because it is timed, kept, and succeeds or fails by itself.

    Two of joblib's own arguments of ``Parallel`` and ``parallel_config`` say how large arrays are shared:

    - ``max_nbytes`` (1 MB; None switches sharing off): arrays of at least this size are shared wherever they are in the
      arguments of tasks. An array that joblib has taken for several tasks is broadcast before the first of them;
      otherwise the first task brings it along, and it is broadcast for the second. All later tasks, also of later
      calls, refer to it as long as its content stays the same.
    - ``mmap_mode`` ("r"): tasks may not write to shared and scattered arrays. With "c", "r+", "w+" or None each task
      may write to them as to copies. The parts of scipy's sparse matrices can always be written to.

    ``initializer`` and ``initargs``, as of joblib's other backends, are a function that each executor calls once before
    its first task, and its arguments.

    In a job with one rank, tasks run on that rank, where nothing can end them. Of the options, only ``on_error`` and
    ``checkpoint`` have an effect there, and with either of them ``retry_exceptions``.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    supports_sharedmem = False
    uses_threads = False
    default_n_jobs = -1

    #: In seconds, for ``batch_size="auto"``: a quarter of joblib's limits, which are for backends that take longer to
    #: hand a batch over. The shorter a batch, the sooner a generator has its first results.
    MIN_IDEAL_BATCH_DURATION = 0.05
    MAX_IDEAL_BATCH_DURATION = 0.5

    @shows_options
    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        scatter: Any = None,
        scheduler_host: str | None = None,
        n_workers: int | None = None,
        scheduler_file: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        __tracebackhide__ = True  # in the tracebacks of IPython and pytest
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._options = CallOptions().updated(without_joblibs(options))
        self._initializer = pickled_initializer(options)
        self._checkpoints = Checkpoints(self, self._options.checkpoint)
        self._calls = RunningCalls()
        self._nested: ParallelBackendBase | None = None
        self._scattered = ScatteredObjects()
        joins = (scheduler_host, n_workers, scheduler_file) != (None, None, None)
        session = joining.join(scheduler_host, n_workers, scheduler_file) if joins else sessions.current()
        if session is not None and session.is_worker:
            self.default_n_jobs = 1
        if scatter is not None:
            self._scatter(scatter)

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        scatter: Any = None,
        scheduler_host: str | None = None,
        n_workers: int | None = None,
        scheduler_file: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> int:
        """Prepare for a call and return how many tasks may run at a time; 1 has joblib run them inline.

        Parameters
        ----------
        n_jobs : int
            As for ``joblib.Parallel``; counts worker ranks.
        parallel : joblib.Parallel, optional
            The object whose call it is.
        scatter : list of objects, optional
            As for `MpiBackend`.
        scheduler_host : str, optional
            As for `MpiBackend`.
        n_workers : int, optional
            As for `MpiBackend`.
        scheduler_file : str or path-like, optional
            As for `MpiBackend`.
        **options
            Options of the call, and arguments of joblib's other backends, which are ignored.

        Returns
        -------
        int
            The number of tasks at a time.
        """
        __tracebackhide__ = True
        session = joining.join(scheduler_host, n_workers, scheduler_file)
        if session.is_worker:  # inside a task
            raise FallbackToBackend(self._local_backend())
        own_options = without_joblibs(options)
        if scatter is not None:
            self._scatter(scatter)
        call_options = self._options.updated(own_options)
        if call_options.memory_limit is not None and session.isolation == "none":
            raise ValueError(
                f"memory_limit={call_options.memory_limit} is for executor processes, but this session runs tasks in "
                "the ranks themselves (isolation none)"
            )
        self._scattered = self._scattered.in_session(session.shared)
        sharing = Sharing.from_options(options)
        n_tasks = self.effective_n_jobs(n_jobs=n_jobs)
        checkpoint = self._checkpoints.of(parallel, options.get("checkpoint"))
        if checkpoint is not None:
            checkpoint.open()
        if n_tasks == 1 and session.core.n_workers == 0 and call_options.need_single_tasks:
            raise FallbackToBackend(InlineBackend(self.nesting_level, call_options, self._checkpoints))
        if n_tasks == 1 and call_options.need_a_worker and session.core.n_workers > 0:
            n_tasks = 2  # still one at a time, but not inline
        if n_tasks == 1 and session.handles and session.core.n_workers > 0:
            n_tasks = 2  # inline, a task would get the handle itself
        if parallel is not None:
            self._calls.settings_of[parallel] = CallSettings(
                call_options,
                sharing,
                pickled_initializer(options) or self._initializer,
                self._watched_buffers(parallel, sharing, n_tasks > 1, checkpoint is not None),
            )
            joblib_internals.pass_on_stop_iteration(parallel)
        # joblib does not call `terminate` for inline calls, so a reference would be a cycle that keeps scattered data.
        self.parallel = parallel if n_tasks > 1 else _NO_PARALLEL
        return n_tasks

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many tasks joblib keeps running: 2 for a single worker, because 1 would run them on rank 0.

        Parameters
        ----------
        n_jobs : int or None
            As for ``joblib.Parallel``; None means all worker ranks.

        Returns
        -------
        int
            The number of tasks.
        """
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        __tracebackhide__ = True
        session = joining.join()
        if n_jobs is None:
            n_jobs = self.default_n_jobs
        if session.is_worker:
            n_local: int = self._local_backend().effective_n_jobs(n_jobs)
            return n_local
        return tasks_at_a_time(n_jobs, session.core.n_workers)

    def compute_batch_size(self) -> int:
        """Return how many tasks the next batch is to have, with ``batch_size="auto"``.

        Returns
        -------
        int
            What joblib's measure of earlier batches suggests; 1 if results are handed out in any order, because all
            results of a batch would come with its last one.
        """
        if joblib_internals.hands_out_unordered(self.parallel):
            return 1
        size: int = super().compute_batch_size()
        return size

    def start_call(self) -> None:
        """Expect the first batch of a call from this thread; the batch tells which `Parallel` object calls."""
        self._calls.expect()

    def submit(self, func: Any, callback: Callable[[Outcome | GatheredOutcomes], None]) -> None:
        """Queue a batch and return at once.

        Parameters
        ----------
        func : callable
            The batch.
        callback : callable
            Called with the batch's outcome, on the service thread.
        """
        parallel = getattr(callback, "parallel", None)
        running = self._calls.of(parallel)
        if running is None:
            if not self._calls.take_expected():
                return  # the call has ended while one of its callbacks was running
            running = self._begin(parallel)
        running.dispatcher.submit(running.call, running.encode, func, callback)

    apply_async = submit

    def retrieve_result_callback(self, out: Outcome | GatheredOutcomes) -> list[Any]:
        """Return the results of a batch, or raise its error.

        Parameters
        ----------
        out : tuple, DividedBatch, BaseException or GatheredOutcomes
            The outcome that the callback of `submit` got.

        Returns
        -------
        list
            The results of the batch's tasks.
        """
        try:
            return self._results(out)
        except BaseException as error:
            told = accepting_a_traceback(error)  # joblib removes it from what is raised here
            if told is error:
                raise
            raise told from told.__cause__

    def _results(self, out: Outcome | GatheredOutcomes) -> list[Any]:
        if type(out) is FinishedTask and out.ending == RETURNED:  # first, since nearly all are
            return loaded_results(out, _host)
        try:
            return out.results(_host) if type(out) is GatheredOutcomes else results_of(out, _host)
        except SessionError as error:
            raise sessions.explained(error) from error.__cause__

    def retrieval_context(self) -> AbstractContextManager[None]:
        """Wait until the call of this thread is over, so that joblib need not poll for it."""
        try:
            self._calls.wait_until_over()
        except KeyboardInterrupt as interrupt:
            # A notebook shows every frame with its surroundings, and those of a wait tell a user nothing.
            raise interrupt.with_traceback(None) from None
        return nullcontext()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End the calls that are aborting.

        Parameters
        ----------
        ensure_ready : bool
            Ignored: the backend stays usable in either case.
        """
        self._calls.end_those_over()

    def stop_call(self) -> None:
        """End the calls that are over."""
        self._calls.end_those_over()
        self.reset_batch_stats()

    def terminate(self) -> None:
        """End the calls that are over; the worker ranks go on for later calls."""
        self._calls.end_those_over()
        if self.parallel is not _NO_PARALLEL:
            self._checkpoints.close_of(self.parallel)
        self.parallel = _NO_PARALLEL
        self.reset_batch_stats()

    def get_nested_backend(self) -> tuple[ParallelBackendBase, None]:
        """Return joblib's usual nested backend, always as the same object, so that it is pickled once.

        Returns
        -------
        tuple of joblib.parallel.ParallelBackendBase and None
            The backend for ``Parallel`` inside tasks, and no ``n_jobs``.
        """
        if self._nested is None:
            self._nested = super().get_nested_backend()[0]
        return self._nested, None

    def _begin(self, parallel: Any) -> RunningCall:
        session = joining.require()
        settings = self._calls.settings_of.get(parallel, CallSettings(self._options))
        n_jobs = getattr(parallel, "n_jobs", self.default_n_jobs)
        max_running = workers_for(n_jobs, session.core.n_workers)
        checkpoint = self._checkpoints.of(parallel)
        unchanged = () if settings.buffers is None else (settings.buffers.unchanged,)
        kept = None if checkpoint is None else checkpoint.start_call(settings.options.checkpoint_key, *unchanged)
        call, encode = self._start(session, settings, max_running, kept)
        if joblib_internals.returns_generator(parallel) is True:
            call.pressure = BackPressure(session.core, call.id, parallel, max_running)
        return self._calls.add(session.dispatcher, call, encode, parallel)

    def start_on_workers(self) -> tuple[Call, Encode]:
        """Start a call with the options of this backend that may use all workers, and that `Parallel` knows nothing of.

        Returns
        -------
        tuple of Call and callable
            The call, which the caller ends, and what pickles its batches.
        """
        session = joining.require()
        self._scattered = self._scattered.in_session(session.shared)
        options = self._options._replace(checkpoint=None, on_error="raise")
        settings = CallSettings(options, initializer=self._initializer)
        return self._start(session, settings, session.core.n_workers)

    def _start(
        self,
        session: sessions.Session,
        settings: CallSettings,
        max_running: int,
        kept: CheckpointedCall | None = None,
    ) -> tuple[Call, Encode]:
        nested = self.get_nested_backend()[0]
        return start_call(session, settings, self._scattered, max_running, nested, self.inner_max_num_threads, kept)

    def _watched_buffers(
        self, parallel: Any, sharing: Sharing, are_sent: bool, are_kept: bool
    ) -> RefilledBuffers | None:
        buffers = None
        if are_sent:
            sent = self._calls.tasks_sent(parallel)
            scattered = self._scattered
            buffers = RefilledBuffers(scattered.ids, sharing.threshold, sent, scattered.regions, are_kept)
        joblib_internals.watch_tasks(parallel, buffers)
        return buffers

    def _scatter(self, scatter: Any) -> None:
        objects = check_scatter(scatter)
        session = joining.require()
        if not session.is_worker and session.core.n_workers > 0:
            self._scattered.add(objects, session.shared)

    def _local_backend(self) -> ParallelBackendBase:
        level = self.nesting_level or 0
        return joblib_internals.threading_backend(level) if level <= 1 else SequentialBackend(nesting_level=level)


MpiBackend.__doc__ = documented_with_options(MpiBackend.__doc__)


#: Stands in for the `Parallel` object between calls.
_NO_PARALLEL = SimpleNamespace(verbose=0)


def _host(rank: int) -> str:
    session = sessions.current()  # that of the call, also if its job is gone
    return "a host of a job that has ended" if session is None else session.core.host(rank)


def register() -> None:
    """Make the backend known to joblib as "mpi"."""
    joblib.register_parallel_backend("mpi", MpiBackend)
    joblib_internals.announce_backend("mpi", register)
