"""The calls of one backend that are running, and the settings of the ``Parallel`` objects whose calls they are."""

import threading
import weakref
from typing import Any, NamedTuple

from joblib_mpi import joblib_internals
from joblib_mpi.calls.call import Call
from joblib_mpi.calls.call_options import CallOptions
from joblib_mpi.calls.dispatcher import Dispatcher, Encode
from joblib_mpi.calls.refilled_buffers import RefilledBuffers
from joblib_mpi.calls.running_call import RunningCall, TasksSent
from joblib_mpi.sharing.sharing_options import Sharing


class CallSettings(NamedTuple):
    """The settings of a ``Parallel`` object's calls."""

    options: CallOptions
    sharing: Sharing = Sharing()
    initializer: bytes | None = None
    buffers: RefilledBuffers | None = None


class RunningCalls:
    """The calls of a backend, each from its first batch until joblib has ended it.

    joblib announces a call and tells of its end without naming its ``Parallel`` object. The first batch names it, and
    the object itself says whether its call is over.

    Attributes
    ----------
    settings_of : mapping of joblib.Parallel to CallSettings
        The settings of each object that has been configured; they are forgotten with the object.
    """

    def __init__(self) -> None:
        self.settings_of: weakref.WeakKeyDictionary[Any, CallSettings] = weakref.WeakKeyDictionary()
        self._running: dict[int, RunningCall] = {}  # by the id of the Parallel object
        self._expecting: set[int] = set()  # threads between `expect` and their first batch

    def expect(self) -> None:
        """Expect the first batch of a call from this thread."""
        self._expecting.add(threading.get_ident())

    def take_expected(self) -> bool:
        """Return whether a call was expected from this thread, and expect it no longer."""
        thread = threading.get_ident()
        expected = thread in self._expecting
        self._expecting.discard(thread)
        return expected

    def add(self, dispatcher: Dispatcher, call: Call, encode: Encode, parallel: Any) -> RunningCall:
        """Take a call that this thread has begun, and return it with what serves it."""
        running = RunningCall(dispatcher, call, encode, parallel, threading.get_ident())
        self._running[id(parallel)] = running
        return running

    def of(self, parallel: Any) -> RunningCall | None:
        """Return the running call of ``parallel``, or None if it has none."""
        return self._running.get(id(parallel))

    def tasks_sent(self, parallel: Any) -> TasksSent:
        """Return what tells of the tasks that joblib has handed over in the calls of ``parallel``."""
        return TasksSent(self._running, id(parallel))

    def wait_until_over(self) -> None:
        """Wait for the results of this thread's latest call, as `RunningCall.wait_until_over` does."""
        thread = threading.get_ident()
        mine = [running for running in list(self._running.values()) if running.thread == thread]
        if mine:
            mine[-1].wait_until_over()

    def end_those_over(self) -> None:
        """End the calls that joblib is ending or has ended."""
        for key, running in list(self._running.items()):
            if joblib_internals.is_over(running.parallel):
                self._running.pop(key, None)
                try:
                    running.call.end_checkpoint()
                finally:
                    running.dispatcher.end_call(running.call)
                joblib_internals.discard_prepared_batches(running.parallel)
                settings = self.settings_of.get(running.parallel)
                if settings is not None and settings.buffers is not None:
                    settings.buffers.forget()
