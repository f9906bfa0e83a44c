"""Holds back the tasks of a generator whose consumer stalls while its results fill rank 0's memory."""

from typing import Any

from joblib_mpi import joblib_internals
from joblib_mpi._core import SessionError
from joblib_mpi.coordinator import Coordinator


class BackPressure:
    """Decides when the tasks of a call have to wait; for the service thread only.

    Parameters
    ----------
    core : Coordinator
        Rank 0's session.
    call_id : int
        The id of the call.
    parallel : joblib.Parallel
        The object whose generator hands out the results.
    max_running : int
        The number of tasks that may run at a time.
    """

    def __init__(self, core: Coordinator, call_id: int, parallel: Any, max_running: int) -> None:
        self._core = core
        self._call_id = call_id
        self._parallel = parallel
        self._max_running = max_running

    def must_wait(self, under_way: int) -> bool:
        """Return whether no further task may start while ``under_way`` tasks have started and are not finished.

        A consumer that has taken every result and waits for the next one is served even when memory is full; otherwise
        it would never get one.
        """
        try:
            if not self._core.results_fill_memory(self._call_id):
                return False
        except SessionError:
            return False  # the job is gone, which the task that is sent next is told
        # If joblib does not tell of waiting results, no task is kept back for them, and large results spill.
        return under_way >= self._max_running or joblib_internals.has_results_waiting(self._parallel)
