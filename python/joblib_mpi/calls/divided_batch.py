"""The outcome of a batch whose items several workers have shared."""

from collections.abc import Callable
from typing import Any, final

from joblib_mpi.payloads.outcome import FinishedTask, loaded_results


@final
class DividedBatch:
    """The parts of one batch, which have all returned.

    Parameters
    ----------
    parts : list of FinishedTask
        The parts, in any order.
    """

    def __init__(self, parts: list[FinishedTask]) -> None:
        self._parts = sorted(parts, key=lambda part: part.first_item)

    def results(self, host: Callable[[int], str]) -> list[Any]:
        """Return the results of all items in their order; ``host`` as for `loaded_results`."""
        return [result for part in self._parts for result in loaded_results(part, host)]
