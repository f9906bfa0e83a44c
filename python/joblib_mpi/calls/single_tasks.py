"""The outcomes of a batch whose tasks were sent one by one, because each succeeds, fails and is timed by itself."""

import threading
from collections.abc import Callable
from typing import Any, final

from joblib_mpi import _core
from joblib_mpi.checkpoint.checkpoint_signals import CheckpointInterrupt
from joblib_mpi.payloads.outcome import Outcome, error_of, failed, results_of


@final
class GatheredOutcomes:
    """Gathers the outcomes of the tasks of one batch, in their order.

    Parameters
    ----------
    n_tasks : int
        The number of outcomes.
    callback : callable
        Called once: with this object when all outcomes are there, or with the first failure that is to be raised.
    return_errors : bool
        Whether a failed task's exception takes the place of its result. An error that concerns more than the task, such
        as the end of the session or an unusable checkpoint, is raised in either case.
    """

    def __init__(self, n_tasks: int, callback: Callable[[Any], None], return_errors: bool) -> None:
        self._outcomes: list[Any] = [None] * n_tasks
        self._missing = n_tasks
        self._callback = callback
        self._return_errors = return_errors
        self._lock = threading.Lock()

    def expect(self, index: int) -> Callable[[Outcome], None]:
        """Return the callback for the task at ``index`` in the batch."""
        return lambda outcome: self._take(index, outcome)

    def results(self, host: Callable[[int], str]) -> list[Any]:
        """Return each task's result or exception; ``host`` as for `results_of`."""
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
