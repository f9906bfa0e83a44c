"""Tasks on rank 0 itself, where the job has no other rank and their errors are to be returned."""

from collections import deque
from collections.abc import Callable
from typing import Any

from joblib.parallel import ParallelBackendBase

from joblib_mpi.call_options import CallOptions
from joblib_mpi.single_tasks import split

_Callback = Callable[[list[Any]], None]


class InlineBackend(ParallelBackendBase):
    """Runs each task in `submit`; joblib's own way of running inline knows no errors that are returned.

    Parameters
    ----------
    nesting_level : int or None
        Given by joblib.
    options : CallOptions
        ``on_error`` is "return"; limits do not count here, as without a worker nothing can end a task.
    """

    supports_retrieve_callback = True
    uses_threads = False

    def __init__(self, nesting_level: int | None, options: CallOptions) -> None:
        super().__init__(nesting_level=nesting_level)
        self._attempts = 1 + options.retries if options.retry_exceptions else 1
        self._submitted: deque[tuple[Any, _Callback]] = deque()
        self._busy = False

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return 2: with 1, joblib would run the tasks itself."""
        return 2

    def submit(self, func: Any, callback: _Callback) -> None:
        """Run a batch and call back; a callback that submits the next one returns first."""
        self._submitted.append((func, callback))
        if self._busy:
            return
        self._busy = True
        try:
            while self._submitted:
                batch, tell = self._submitted.popleft()
                tell([self._outcome(*task.items[0]) for task in split(batch)])
        finally:
            self._busy = False

    apply_async = submit

    def retrieve_result_callback(self, out: list[Any]) -> list[Any]:
        """Return the results of a batch, exceptions among them."""
        return out

    def _outcome(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        for attempt in range(1, self._attempts + 1):
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if attempt == self._attempts:
                    return error
        return None
