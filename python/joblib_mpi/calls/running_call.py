"""A call that is running for a ``Parallel`` object, and what the backend asks about it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from joblib_mpi import joblib_internals
from joblib_mpi.calls.call import Call
from joblib_mpi.calls.dispatcher import Dispatcher, Encode

#: The longest delay with which a waiting caller notices an end that no result announces, such as an error of the task
#: iterator.
_WAIT_SECONDS = 0.05


class RunningCall(NamedTuple):
    """A call with what serves it.

    Attributes
    ----------
    dispatcher : Dispatcher
        Sends the batches of the call.
    call : Call
        The call.
    encode : callable
        Pickles a batch.
    parallel : joblib.Parallel
        The object whose call it is.
    thread : int
        The identifier of the thread that calls.
    """

    dispatcher: Dispatcher
    call: Call
    encode: Encode
    parallel: Any
    thread: int

    def wait_until_over(self) -> None:
        """Wait for the results of the call, unless the program takes them one by one or with a timeout."""
        parallel = self.parallel
        if joblib_internals.returns_generator(parallel) is not False or parallel.timeout is not None:
            return
        joblib_waits = joblib_internals.waits_for_results(parallel)
        if joblib_waits is None:
            return  # joblib polls by itself
        call = self.call
        call.is_waited_for = True
        while joblib_waits():
            if call.callback_error is not None:
                raise call.callback_error
            call.progress.wait(_WAIT_SECONDS)
            call.progress.clear()
        if call.callback_error is not None:  # joblib 1.3 takes a range of tasks for ended that has raised an error
            raise call.callback_error


class TasksSent:
    """The tasks that joblib has handed over in a ``Parallel`` object's call; none if it has no running call.

    Parameters
    ----------
    calls : mapping of int to RunningCall
        The running calls by the ``id`` of their ``Parallel`` object.
    key : int
        The ``id`` of the object.
    """

    def __init__(self, calls: Mapping[int, RunningCall], key: int) -> None:
        self._calls = calls
        self._key = key

    def n_expected(self) -> int:
        """Return the number of these tasks."""
        running = self._calls.get(self._key)
        return 0 if running is None else running.call.n_expected

    def has_outstanding(self, indices: range) -> bool:
        """Return whether a batch that begins at one of these indices has no result yet."""
        running = self._calls.get(self._key)
        return running is not None and running.call.has_outstanding(indices)

    def knows(self, begin: int, end: int) -> bool:
        """Return whether they have used a buffer that has the bytes between two addresses."""
        running = self._calls.get(self._key)
        return running is not None and running.call.buffers.knows(begin, end)

    def doubt(self) -> None:
        """Let no later call use the large arrays that the workers have of them."""
        running = self._calls.get(self._key)
        if running is not None:
            running.call.buffers.doubt()
