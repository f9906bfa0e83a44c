"""Keeps a generator's tasks back while its consumer stalls and its results fill rank 0's memory."""

from typing import Any

from joblib_mpi import _core, joblib_internals


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
        # If joblib does not tell of waiting results, no task is kept back for them, and large results spill.
        return under_way >= self._max_running or joblib_internals.has_results_waiting(self._parallel)
