"""The joblib backend named "mpi".

The methods are those of `joblib.parallel.ParallelBackendBase`; joblib's own documentation says when each is called.
"""

import pickle
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

import joblib
from joblib.parallel import AutoBatchingMixin, FallbackToBackend, ParallelBackendBase, SequentialBackend

from joblib_mpi import joblib_internals
from joblib_mpi import session as sessions
from joblib_mpi.calls.back_pressure import BackPressure
from joblib_mpi.calls.call import Call
from joblib_mpi.calls.call_options import OPTIONS, CallOptions, documented_with_options, shows_options
from joblib_mpi.calls.dispatcher import Dispatcher, Encode
from joblib_mpi.calls.inline_backend import InlineBackend
from joblib_mpi.calls.single_tasks import GatheredOutcomes
from joblib_mpi.checkpoint.checkpoint import Checkpoints
from joblib_mpi.payloads.outcome import RETURNED, Outcome, results_of
from joblib_mpi.payloads.task_context import TaskContext, authkey, pickled_warning_filters
from joblib_mpi.payloads.task_format import TaskEncoder
from joblib_mpi.scattering import ScatteredObjects, check_scatter
from joblib_mpi.sharing.shared_buffers import CallBuffers
from joblib_mpi.sharing.sharing_options import Sharing

#: The longest that a waiting caller may miss an end that no result announces, such as an error of the task iterator.
_WAIT_SECONDS = 0.05

_warned_about_one_rank = False


class MpiBackend(AutoBatchingMixin, ParallelBackendBase):
    """Runs the tasks of ``joblib.Parallel`` on the worker ranks of the MPI job.

    Parameters
    ----------
    nesting_level : int, optional
        Given by joblib.
    inner_max_num_threads : int, optional
        The limit for OpenMP and BLAS threads inside a task. By default each worker has its share of its node's cores.
    scatter : list of objects, optional
        Objects that many tasks use. Each is pickled once and broadcast to all ranks; wherever one of these very
        objects sits in the arguments of a task, the worker's one copy takes its place. Arrays are read-only there.
        They are freed when the ``with`` block ends.
    max_nbytes : int, str or None, default="1M"
        As for joblib's other backends, an argument of ``Parallel`` and ``parallel_config``: from this size on, arrays
        in the arguments of tasks, wherever they sit, are looked for on the workers. What a second task needs as well
        is broadcast, and every later task of this and the next calls refers to it, as long as its content is the same.
        None switches that off.
    mmap_mode : {"r", "c", None}, default="r"
        Likewise an argument of joblib's: whether tasks get such arrays, and scattered ones, read-only, or to write to
        as if they had copies ("c" and None). The parts of scipy's sparse matrices can always be written to.
    {options}

    Raises
    ------
    SessionError
        ``scatter`` is given and the program has no MPI session.
    TypeError
        ``scatter`` is not a list, or one of its items cannot be pickled; or another argument is not of its type.
    ValueError
        An argument is out of range. The text names the value and what is allowed.
    CheckpointError
        From a call: ``checkpoint`` cannot be written, is in use, or belongs to other calls, another program or version.
    SpillError
        From a call: ``spill_dir`` cannot be used, or a result has no place; the text says what it needs.
    CheckpointInterrupt
        From a call or any other place in the main thread: SIGUSR1 or SIGTERM has come while a checkpoint was open.

    Notes
    -----
    ``n_jobs=None``, as in ``parallel_config(backend="mpi")`` without more, means all worker ranks.

    The options, from ``retries`` on, can also be given to one call: ``Parallel(backend="mpi", retries=5)`` (joblib 1.5
    and later). With ``on_error="return"``, ``task_timeout`` or ``checkpoint`` each task travels alone, whatever
    ``batch_size`` says, so that it fails, is timed and is kept alone.

    In a job with one rank, tasks run on that rank, where nothing can end them: of these arguments only ``on_error``
    counts there, and with it ``retry_exceptions``.
    """

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    supports_sharedmem = False
    uses_threads = False
    default_n_jobs = -1

    @shows_options
    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        scatter: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._options = CallOptions().updated(options)
        self._checkpoints = Checkpoints(self, self._options.checkpoint)
        self._options_of: weakref.WeakKeyDictionary[Any, CallOptions] = weakref.WeakKeyDictionary()
        self._sharing_of: weakref.WeakKeyDictionary[Any, Sharing] = weakref.WeakKeyDictionary()
        self._calls: dict[int, _Running] = {}  # by the id of the Parallel object
        self._starting: set[int] = set()  # threads between start_call and their first batch
        self._nested: ParallelBackendBase | None = None
        self._scattered = ScatteredObjects()
        session = sessions.current()
        if session is not None and session.is_worker:
            self.default_n_jobs = 1
        if scatter is not None:
            self._scatter(scatter)

    def configure(self, n_jobs: int = 1, parallel: Any = None, scatter: Any = None, **options: Any) -> int:
        """Return the number of tasks at a time, 1 for running them inline; some ``options`` are for other backends."""
        session = sessions.require()
        if session.is_worker:  # inside a task
            raise FallbackToBackend(self._local_backend())
        if options.get("initializer") is not None:
            raise TypeError('the "mpi" backend has no initializer: its worker ranks outlive the call')
        if scatter is not None:
            self._scatter(scatter)
        call_options = self._options.updated({name: options[name] for name in OPTIONS if name in options})
        if call_options.memory_limit is not None and session.isolation == "none":
            raise ValueError(
                f"memory_limit={call_options.memory_limit} is for executor processes, but this session runs tasks in "
                "the ranks themselves (isolation none)"
            )
        sharing = Sharing.from_options(options)
        n_tasks = self.effective_n_jobs(n_jobs=n_jobs)
        checkpoint = self._checkpoints.of(parallel, options.get("checkpoint"))
        if checkpoint is not None:
            checkpoint.open()
        if n_tasks == 1 and session.core.n_workers == 0 and call_options.need_single_tasks:
            raise FallbackToBackend(InlineBackend(self.nesting_level, call_options, self._checkpoints))
        if n_tasks == 1 and call_options.need_a_worker and session.core.n_workers > 0:
            n_tasks = 2  # one at a time all the same, but not inline
        if n_tasks == 1 and session.handles and session.core.n_workers > 0:
            n_tasks = 2  # inline, a task would get the handle itself
        if parallel is not None:
            self._options_of[parallel] = call_options
            self._sharing_of[parallel] = sharing
        # joblib never terminates what it runs inline; then a reference here would be a cycle that keeps scattered data.
        self.parallel = parallel if n_tasks > 1 else _NO_PARALLEL
        return n_tasks

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many tasks joblib should keep going; 2 for a single worker, as 1 would run them on rank 0."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        session = sessions.require()
        if n_jobs is None:
            n_jobs = self.default_n_jobs
        if session.is_worker:
            n_local: int = self._local_backend().effective_n_jobs(n_jobs)
            return n_local
        n_workers = session.core.n_workers
        if n_workers == 0:
            _warn_about_one_rank()
            return 1
        if n_workers == 1 and (n_jobs == -1 or n_jobs > 1):
            return 2
        return _max_running(n_jobs, n_workers)

    def start_call(self) -> None:
        """Expect the first batch of a call from this thread; it tells which `Parallel` object the call belongs to."""
        self._starting.add(threading.get_ident())

    def submit(self, func: Any, callback: Callable[[Outcome | GatheredOutcomes], None]) -> None:
        """Queue a batch; ``callback`` gets its outcome on the service thread."""
        parallel = getattr(callback, "parallel", None)
        running = self._calls.get(id(parallel))
        if running is None:
            thread = threading.get_ident()
            if thread not in self._starting:
                return  # from a callback that was under way while its call ended
            self._starting.discard(thread)
            running = self._begin(parallel, thread)
        running.dispatcher.submit(running.call, running.encode, func, callback)

    apply_async = submit

    def retrieve_result_callback(self, out: Outcome | GatheredOutcomes) -> list[Any]:
        """Return the results of a batch, or raise its error."""
        if type(out) is tuple and out[3] == RETURNED:  # first, since nearly all are
            results: list[Any] = pickle.loads(out[6], buffers=out[7])
            return results
        host = sessions.require().core.host
        if type(out) is GatheredOutcomes:
            return out.results(host)
        return results_of(out, host)

    @contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Wait here until the calling thread's call is over, which spares it joblib's polling."""
        thread = threading.get_ident()
        mine = [running for running in list(self._calls.values()) if running.thread == thread]
        if mine:
            _wait_until_over(mine[-1])
        yield

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End the calls that are aborting; the backend stays usable either way."""
        self._end_calls()

    def stop_call(self) -> None:
        """End the calls that are over."""
        self._end_calls()
        self.reset_batch_stats()

    def terminate(self) -> None:
        """End the calls that are over; the worker ranks stay."""
        self._end_calls()
        if self.parallel is not _NO_PARALLEL:
            self._checkpoints.close_of(self.parallel)
        self.parallel = _NO_PARALLEL
        self.reset_batch_stats()

    def get_nested_backend(self) -> tuple[ParallelBackendBase, None]:
        """Return joblib's usual nested backend, always the same object, so that it is pickled once."""
        if self._nested is None:
            self._nested = super().get_nested_backend()[0]
        return self._nested, None

    def _begin(self, parallel: Any, thread: int) -> "_Running":
        session = sessions.require()
        n_jobs = getattr(parallel, "n_jobs", self.default_n_jobs)
        context = TaskContext(
            nested_backend=self.get_nested_backend()[0],
            nested_n_jobs=None,
            inner_max_num_threads=self.inner_max_num_threads,
            warning_filters=pickled_warning_filters(),
            authkey=authkey(),
        )
        options = self._options_of.get(parallel, self._options)
        if options.memory_limit is None:
            options = options._replace(memory_limit=session.memory_limit)
        max_running = _max_running(n_jobs, session.core.n_workers)
        checkpoint = self._checkpoints.of(parallel)
        kept = None if checkpoint is None else checkpoint.start_call()
        sharing = self._sharing_of.get(parallel, Sharing())
        buffers = CallBuffers(session.shared, sharing.threshold, self._scattered.regions)
        call = session.dispatcher.start_call(max_running, options, buffers, kept)
        encode = TaskEncoder(context, self._scattered.ids, buffers, sharing.private).encode
        if joblib_internals.returns_generator(parallel) is True:
            call.pressure = BackPressure(session.core, call.id, parallel, max_running)
        self._calls[id(parallel)] = running = _Running(session.dispatcher, call, encode, parallel, thread)
        return running

    def _end_calls(self) -> None:
        for key, running in list(self._calls.items()):
            if joblib_internals.is_over(running.parallel):
                self._calls.pop(key, None)
                try:
                    running.call.end_checkpoint()
                finally:
                    running.dispatcher.end_call(running.call)
                joblib_internals.discard_prepared_batches(running.parallel)

    def _scatter(self, scatter: Any) -> None:
        objects = check_scatter(scatter)
        session = sessions.require()
        if not session.is_worker and session.core.n_workers > 0:
            self._scattered.add(objects, session.shared)

    def _local_backend(self) -> ParallelBackendBase:
        level = self.nesting_level or 0
        return joblib_internals.threading_backend(level) if level <= 1 else SequentialBackend(nesting_level=level)


MpiBackend.__doc__ = documented_with_options(MpiBackend.__doc__)


class _Running(NamedTuple):
    dispatcher: Dispatcher
    call: Call
    encode: Encode
    parallel: Any
    thread: int


#: Stands in for the `Parallel` object between calls.
_NO_PARALLEL = SimpleNamespace(verbose=0)


def register() -> None:
    """Make the backend known to joblib as "mpi"."""
    joblib.register_parallel_backend("mpi", MpiBackend)
    joblib_internals.announce_backend("mpi", register)


def _max_running(n_jobs: int, n_workers: int) -> int:
    return max(n_workers + 1 + n_jobs, 1) if n_jobs < 0 else min(n_jobs, n_workers)


def _wait_until_over(running: _Running) -> None:
    parallel = running.parallel
    if joblib_internals.returns_generator(parallel) is not False or parallel.timeout is not None:
        return
    joblib_waits = joblib_internals.waits_for_results(parallel)
    if joblib_waits is None:
        return  # joblib polls by itself
    call = running.call
    call.is_waited_for = True
    while joblib_waits():
        if call.callback_error is not None:
            raise call.callback_error
        call.progress.wait(_WAIT_SECONDS)
        call.progress.clear()


def _warn_about_one_rank() -> None:
    global _warned_about_one_rank
    if not _warned_about_one_rank:
        _warned_about_one_rank = True
        warnings.warn(
            "the MPI job has one rank, which leaves no worker: tasks run on rank 0, one at a time. "
            'Start it with "mpirun -n N", N > 1.',
            stacklevel=2,
        )
