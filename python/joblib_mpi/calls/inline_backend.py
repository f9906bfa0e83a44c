"""Tasks on rank 0 of a job without workers, where errors are to be returned or results to be kept."""

import pickle
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from joblib.parallel import ParallelBackendBase

from joblib_mpi.calls.call_options import CallOptions
from joblib_mpi.checkpoint.checkpoint import CheckpointedCall, Checkpoints
from joblib_mpi.checkpoint.checkpoint_signals import CheckpointInterrupt, TaskHere
from joblib_mpi.joblib_internals import split_batch, watch_tasks

_Callback = Callable[[list[Any]], None]


class InlineBackend(ParallelBackendBase):
    """Runs each task in `submit`. joblib's own inline mode can neither return errors nor keep results.

    Parameters
    ----------
    nesting_level : int or None
        Given by joblib.
    options : CallOptions
        The options of the calls. Limits have no effect, because without a worker nothing can end a task.
    checkpoints : Checkpoints
        The checkpoints that calls may belong to.
    """

    supports_retrieve_callback = True
    uses_threads = False

    def __init__(self, nesting_level: int | None, options: CallOptions, checkpoints: Checkpoints) -> None:
        super().__init__(nesting_level=nesting_level)
        self._returns_errors = options.on_error == "return"
        self._checkpoints = checkpoints
        self._checkpoint_key = options.checkpoint_key
        self._call: CheckpointedCall | None = None
        self._n_submitted = 0
        self._attempts = 1 + options.retries if options.retry_exceptions else 1
        self._submitted: deque[tuple[Any, _Callback]] = deque()
        self._busy = False

    def configure(self, n_jobs: int = 1, parallel: Any = None, **options: Any) -> int:
        """Prepare for a call and return how many tasks joblib keeps running.

        Parameters
        ----------
        n_jobs : int
            Has no effect.
        parallel : joblib.Parallel, optional
            The object whose call it is.
        **options
            Options that have had their effect.

        Returns
        -------
        int
            The number of tasks.
        """
        if parallel is not None:
            watch_tasks(parallel, _OneByOne())
        n_tasks: int = super().configure(n_jobs, parallel, **options)
        return n_tasks

    def start_call(self) -> None:
        """Begin a call, whose first task has index 0."""
        self._n_submitted = 0
        checkpoint = self._checkpoints.of(self.parallel)
        self._call = None if checkpoint is None else checkpoint.start_call(self._checkpoint_key)

    def stop_call(self) -> None:
        """End the call."""
        if self._call is not None:
            self._call.end()

    def terminate(self) -> None:
        """Close the checkpoint that belongs to the ``Parallel`` object alone, if it has one."""
        self._checkpoints.close_of(self.parallel)

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return 2, because with 1 joblib would run the tasks itself."""
        return 2

    def submit(self, func: Any, callback: _Callback) -> None:
        """Run a batch and call back; a batch that a callback submits runs after that callback has returned."""
        self._submitted.append((func, callback))
        if self._busy:
            return
        self._busy = True
        try:
            while self._submitted:
                batch, tell = self._submitted.popleft()
                tell([self._result(task) for task in split_batch(batch)])
        finally:
            self._busy = False

    apply_async = submit

    def retrieve_result_callback(self, out: list[Any]) -> list[Any]:
        """Return the results of a batch, exceptions among them."""
        return out

    def _result(self, task: Any) -> Any:
        index = self._n_submitted
        self._n_submitted += 1
        if self._call is not None:
            found = self._call.find(index, task)
            if found is not None:
                return pickle.loads(found[0], buffers=found[1])[0]
        with TaskHere():
            try:
                result = self._attempt(*task.items[0])
            except CheckpointInterrupt:
                raise
            except (Exception, SystemExit) as error:
                if self._call is not None:
                    self._call.keep(index, error)
                if not self._returns_errors:
                    raise
                return error
            if self._call is not None:
                self._call.keep_value(index, [result])
            return result

    def _attempt(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        for _ in range(self._attempts - 1):
            try:
                return function(*args, **kwargs)
            except CheckpointInterrupt:
                raise
            except (Exception, SystemExit):
                continue
        return function(*args, **kwargs)


class _OneByOne:
    """Lets joblib take each task when the one before it has run, so that a range of tasks may fill one buffer again."""

    def __init__(self) -> None:
        self.may_take = False

    def begin(self) -> None:
        self.may_take = True

    def of(self, tasks: Iterator[Any], limit: int = 0) -> Iterator[Any]:
        return _Ones(self, tasks)


class _Ones:
    def __init__(self, watch: _OneByOne, tasks: Iterator[Any]) -> None:
        self._watch = watch
        self._tasks = tasks

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._watch.may_take:
            raise StopIteration
        self._watch.may_take = False
        return next(self._tasks)
