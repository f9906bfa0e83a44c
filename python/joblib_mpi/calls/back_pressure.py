"""Keeps a generator's tasks back while its consumer stalls and its results fill rank 0's memory."""

from typing import Any

from joblib.parallel import TASK_DONE

from joblib_mpi import _core


class BackPressure:
    """Says when the tasks of a call have to wait. Used by the service thread.

    Parameters
    ----------
    core : _core.CoordinatorSession
        Rank 0's session.
    call_id : int
        The call.
    parallel : joblib.Parallel
        Whose generator the results go through.
    max_running : int
        How many tasks may run at a time.
    """

    def __init__(self, core: _core.CoordinatorSession, call_id: int, parallel: Any, max_running: int) -> None:
        self._core = core
        self._call_id = call_id
        self._parallel = parallel
        self._max_running = max_running

    def must_wait(self, under_way: int) -> bool:
        """Return whether no further task should start; ``under_way`` have, and are not finished.

        If the consumer has taken all there is and waits, tasks run even in full memory, or it would wait for ever.
        """
        if not self._core.results_fill_memory(self._call_id):
            return False
        return under_way >= self._max_running or self._has_results_waiting()

    def _has_results_waiting(self) -> bool:
        # joblib keeps them in a private queue. Without it nothing is kept back, and large results spill.
        return any(getattr(job, "status", None) == TASK_DONE for job in list(getattr(self._parallel, "_jobs", ())))
