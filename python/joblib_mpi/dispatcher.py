"""Rank 0's service thread: sends what backends have queued, and hands results to joblib's callbacks.

Everything that may take long or fail (pickling, joblib's callbacks, the program's task iterator, which joblib consumes
in the callbacks) happens on this one thread, without a lock that a caller could wait for.
"""

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

from joblib_mpi import _core
from joblib_mpi.task_format import EncodedTask, TaskEncoder

#: Only a safety net: `wake` ends the wait. One empty turn takes microseconds.
_IDLE_SECONDS = 10.0
_FAILED_SECONDS = 0.05
_STOP_SECONDS = 2.0

#: ``(rank, ok, head, buffers)`` of a task that ran, or the exception of one that could not be sent.
Outcome = tuple[int, bool, bytes, list[Any]] | BaseException


class Call:
    """One ``Parallel`` call on its way. Made by `Dispatcher.start_call`.

    Attributes
    ----------
    progress : threading.Event
        Set when nothing of the call is outstanding, and after each failed task.
    ended : bool
        No callback starts after this is true.
    """

    def __init__(self, dispatcher: "Dispatcher", core: _core.Session, max_running: int) -> None:
        self._dispatcher = dispatcher
        self._core = core
        self.id = core.start_call(max_running)
        self.encode: Callable[[Any], EncodedTask]
        self.callbacks: dict[int, Callable[[Outcome], None]] = {}
        self.progress = threading.Event()
        self.ended = False
        self._tickets = count()
        self._objects: list[int] = []
        self._objects_lock = threading.Lock()

    def submit(self, batch: Any, callback: Callable[[Outcome], None]) -> None:
        """Queue ``batch``; ``callback`` is called once with its outcome on the service thread, unless the call ends.

        Never waits and never raises: joblib holds its lock.
        """
        ticket = next(self._tickets)
        self.callbacks[ticket] = callback
        self._dispatcher.enqueue(self, ticket, batch)

    def scatter(self, pickled: bytes) -> int:
        """Broadcast ``pickled``, to be dropped when the call ends; returns its object id."""
        with self._objects_lock:
            if self.ended:
                raise RuntimeError("the call has ended")
            object_id = self._core.scatter(pickled, ())
            self._objects.append(object_id)
            return object_id

    def end(self) -> None:
        """Forget what is outstanding: queued tasks never start, running ones are interrupted. Idempotent."""
        with self._objects_lock:
            if self.ended:
                return
            self.ended = True
        self._dispatcher.forget(self)
        self.callbacks.clear()
        self._core.end_call(self.id)
        for object_id in self._objects:
            self._core.drop(object_id)
        self.progress.set()


class Dispatcher:
    """The service thread of one session.

    Parameters
    ----------
    core : _core.Session
        Rank 0's session.
    """

    def __init__(self, core: _core.Session) -> None:
        self._core = core
        self._queue: deque[tuple[Call, int, Any]] = deque()
        self._calls: dict[int, Call] = {}
        self._waiting = False
        self._stopping = False
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="joblib-mpi dispatcher", daemon=True)
        self._thread.start()

    def is_current_thread(self) -> bool:
        """Whether the calling thread is the service thread."""
        return threading.current_thread() is self._thread

    def start_call(self, max_running: int, make_encoder: Callable[[Call], TaskEncoder]) -> Call:
        """Return a new call; raises the session's failure if it has failed."""
        if self._failure is not None:
            raise _core.SessionError(f"the MPI session has failed: {self._failure}") from self._failure
        call = Call(self, self._core, max_running)
        call.encode = make_encoder(call).encode
        self._calls[call.id] = call
        return call

    def enqueue(self, call: Call, ticket: int, batch: Any) -> None:
        """Have the service thread send ``batch``."""
        self._queue.append((call, ticket, batch))
        if self._waiting:
            self._core.wake()

    def forget(self, call: Call) -> None:
        """Ignore what still comes for ``call``."""
        self._calls.pop(call.id, None)

    def stop(self) -> None:
        """End the thread, at the end of the program."""
        self._stopping = True
        self._core.wake()
        if not self.is_current_thread():
            self._thread.join(_STOP_SECONDS)

    def _serve(self) -> None:
        queue = self._queue
        while not self._stopping:
            self._send_queued()
            # Whoever appends after this line wakes us; what was appended before it is seen by the test.
            self._waiting = True
            results = self._next_results() if not queue else ()
            self._waiting = False
            for call_id, ticket, rank, ok, head, buffers in results:
                call = self._calls.get(call_id)
                if call is not None:
                    self._finish(call, ticket, (rank, ok, head, buffers), ok)
                    if queue:
                        self._send_queued()

    def _next_results(self) -> list[tuple[int, int, int, bool, bytes, list[Any]]]:
        if self._failure is not None:
            time.sleep(_FAILED_SECONDS)
            return []
        try:
            return self._core.next_results(_IDLE_SECONDS)
        except Exception as error:
            self._failure = error
            for call in list(self._calls.values()):
                for ticket in list(call.callbacks):
                    self._finish(call, ticket, error, False)
            return []

    def _send_queued(self) -> None:
        queue = self._queue
        submit = self._core.submit
        while queue:
            call, ticket, batch = queue.popleft()
            if call.ended:
                continue
            try:
                if self._failure is not None:
                    raise self._failure
                submit(call.id, ticket, *call.encode(batch))
            except BaseException as error:
                self._finish(call, ticket, error, False)

    def _finish(self, call: Call, ticket: int, outcome: Outcome, ok: bool) -> None:
        callback = call.callbacks.pop(ticket, None)
        if callback is None or call.ended:
            return
        try:
            callback(outcome)
        except BaseException:
            if not call.ended and sys.stderr is not None:
                traceback.print_exc()
        if not ok or not call.callbacks:
            call.progress.set()
