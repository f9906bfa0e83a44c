"""A batch of joblib's as tasks of their own, each of which succeeds, fails and is timed alone."""

import threading
from collections.abc import Callable
from typing import Any, final

from joblib_mpi import _core
from joblib_mpi.checkpoint.checkpoint_signals import CheckpointInterrupt
from joblib_mpi.payloads.outcome import Outcome, error_of, failed, results_of


@final
class GatheredOutcomes:
    """The outcomes of one batch's tasks, in their order, until all are there.

    Parameters
    ----------
    n_tasks : int
        How many there will be.
    callback : callable
        Called once, with this object, or with the first failure if that is to be raised.
    return_errors : bool
        Whether failures count as results. The end of the session is none, nor is a checkpoint that cannot be used.
    """

    def __init__(self, n_tasks: int, callback: Callable[[Any], None], return_errors: bool) -> None:
        self._outcomes: list[Any] = [None] * n_tasks
        self._missing = n_tasks
        self._callback = callback
        self._return_errors = return_errors
        self._lock = threading.Lock()

    def expect(self, index: int) -> Callable[[Outcome], None]:
        """Return the callback for the task at ``index``."""
        return lambda outcome: self._take(index, outcome)

    def results(self, host: Callable[[int], str]) -> list[Any]:
        """Return what became of each task; ``host`` as for `results_of`."""
        results: list[Any] = []
        for outcome in self._outcomes:
            error = error_of(outcome, host)
            if error is None:
                results.extend(results_of(outcome, host))
            else:
                results.append(error)
        return results

    def _take(self, index: int, outcome: Outcome) -> None:
        ends_all = failed(outcome) and (not self._return_errors or _ends_more_than_a_task(outcome))
        with self._lock:
            if self._missing == 0:
                return
            self._outcomes[index] = outcome
            self._missing = 0 if ends_all else self._missing - 1
            if self._missing > 0:
                return
        self._callback(outcome if ends_all else self)


def _ends_more_than_a_task(outcome: Outcome) -> bool:
    if isinstance(outcome, _core.SpillError):  # a session's error only by its class
        return False
    return isinstance(outcome, _core.SessionError | CheckpointInterrupt)
