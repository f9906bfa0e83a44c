"""Rank 0's service thread, which sends the batches that backends have queued and hands results to joblib's callbacks.

A callback may wait for a long time: for joblib's lock, which the program's thread holds while it asks the program's
task iterator for more, or in that iterator itself, which joblib also runs inside callbacks. If the iterator uses the
results of another call (as a chain of generators does), a service thread that waited with it would never serve that
call. So while several calls are running, callbacks run on other threads; and if a callback is running on the service
thread when a second call starts, a new thread takes over the service.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from joblib_mpi import _core
from joblib_mpi.calls.call import Call
from joblib_mpi.calls.call_options import CallOptions
from joblib_mpi.calls.single_tasks import GatheredOutcomes
from joblib_mpi.checkpoint.checkpoint import CheckpointedCall, found_task
from joblib_mpi.coordinator import Coordinator
from joblib_mpi.joblib_internals import split_batch
from joblib_mpi.payloads.outcome import CANCELLED, RAISED, RETURNED, FinishedTask, Outcome, lost_task_error
from joblib_mpi.payloads.task_format import EncodedTask
from joblib_mpi.sharing.call_buffers import CallBuffers

#: The longest wait for results. It is only a safety net, because `wake` ends the wait.
_IDLE_SECONDS = 10.0
#: How soon held tasks start once the consumer of their results goes on, which nothing announces.
_HELD_SECONDS = 0.02
_FAILED_SECONDS = 0.05
_STOP_SECONDS = 2.0

#: Stands for the items of a callable that is not a batch of joblib's.
_ONE = (None,)

Encode = Callable[[Any], EncodedTask]


class Dispatcher:
    """Serves all calls of one session.

    Parameters
    ----------
    core : Coordinator
        Rank 0's session.
    """

    def __init__(self, core: Coordinator) -> None:
        self.core = core
        self.calls: dict[int, Call] = {}
        self.queued: deque[tuple[Call, int, Encode, Any]] = deque()
        self.received: deque[FinishedTask] = deque()
        self.waiting = False
        self.stopping = False
        self.failure: BaseException | None = None
        self._start_lock = threading.Lock()
        self._service = _ServiceThread(self)
        self._service.start()

    def start_call(
        self,
        max_running: int,
        options: CallOptions,
        buffers: CallBuffers,
        checkpoint: CheckpointedCall | None = None,
    ) -> Call:
        """Return a new call; raises `SessionError` if the session has failed."""
        if self.failure is not None:
            raise _core.SessionError(f"the MPI session has failed: {self.failure}") from self.failure
        call = Call(self.core, max_running, options, buffers, checkpoint)
        with self._start_lock:
            self.calls[call.id] = call
            if len(self.calls) > 1 and self._service.in_callback:
                self._service.retired = True
                self._service = _ServiceThread(self)
                self._service.start()
        return call

    def submit(self, call: Call, encode: Encode, batch: Any, callback: Callable[[Outcome], None]) -> None:
        """Queue ``batch`` for ``encode``; ``callback`` is called once with its outcome, unless the call ends.

        Neither waits nor raises, because joblib holds its lock.
        """
        if call.needs_single_tasks:
            tasks = split_batch(batch)
            gathered = GatheredOutcomes(len(tasks), callback, call.options.on_error == "return")
            for index, task in enumerate(tasks):
                self.queued.append((call, call.expect(gathered.expect(index)), encode, task))
        else:
            self.queued.append((call, call.expect(callback, len(getattr(batch, "items", _ONE))), encode, batch))
        if self.waiting:
            self.core.wake()

    def end_call(self, call: Call) -> None:
        """End ``call``; from any thread, idempotent."""
        self.calls.pop(call.id, None)
        call.end()

    def stop(self) -> None:
        """End the service, with the program."""
        self.stopping = True
        self.core.wake()
        if threading.current_thread() is not self._service:
            self._service.join(_STOP_SECONDS)


class _ServiceThread(threading.Thread):
    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__(name="joblib-mpi dispatcher", daemon=True)
        self._dispatcher = dispatcher
        self.in_callback = False
        self.retired = False

    def run(self) -> None:
        dispatcher = self._dispatcher
        while not dispatcher.stopping and not self.retired:
            try:
                self._serve_all()
                self._wait_for_more()
            except MemoryError as error:
                self._end_all(error)
            except Exception as error:  # a thread that ended would let all calls wait without end
                self._fail_all(error)

    def _serve_all(self) -> None:
        calls, queued, received = self._dispatcher.calls, self._dispatcher.queued, self._dispatcher.received
        while (queued or received) and not self.retired:
            # Sending first keeps the workers busy while callbacks run.
            if queued:
                self._send(*queued.popleft())
                continue
            result = received.popleft()
            call = calls.get(result.call)
            if call is None:
                pass  # it has ended
            elif result.ending != RETURNED:
                self._fail(call, result)
            elif (outcome := call.whole(result)) is not None:
                self._deliver(call, result.task_index, outcome, True)

    def _wait_for_more(self) -> None:
        if self.retired:
            return
        dispatcher = self._dispatcher
        seconds = _HELD_SECONDS if self._send_all_held() else _IDLE_SECONDS
        # A thread that queues after this line wakes this one; what was queued before is seen by the test below it.
        dispatcher.waiting = True
        if not dispatcher.queued:
            dispatcher.received.extend(self._next_results(seconds))
        dispatcher.waiting = False

    def _send_all_held(self) -> bool:
        """Send the held tasks that need not wait any longer; return whether there were any."""
        any_held = False
        for call in list(self._dispatcher.calls.values()):
            if call.held:
                self._send_held(call)
                any_held = True
        return any_held

    def _end_all(self, cause: MemoryError) -> None:
        """End all calls with an error: for which of them memory was missing, and what is lost of it, is not known."""
        dispatcher = self._dispatcher
        dispatcher.waiting = False
        while True:
            try:
                dispatcher.received.clear()  # this alone may free enough memory for what follows
                error = MemoryError("rank 0 has no memory left to go on with this call")
                error.__cause__ = cause
                for call in list(dispatcher.calls.values()):
                    for index in call.outstanding():
                        self._deliver_here_if_need_be(call, index, error)
                return
            except MemoryError:
                time.sleep(_FAILED_SECONDS)  # the program may have less to keep in a moment

    def _send(self, call: Call, index: int, encode: Encode, batch: Any) -> None:
        if call.pressure is None:
            self._submit(call, index, encode, batch)
        else:
            call.held.append((index, encode, batch))
            self._send_held(call)

    def _send_held(self, call: Call) -> None:
        pressure = call.pressure
        assert pressure is not None
        while call.held and not pressure.must_wait(call.under_way()):
            self._submit(call, *call.held.popleft())

    def _submit(self, call: Call, index: int, encode: Encode, batch: Any) -> None:
        if call.ended:
            return
        try:
            if self._dispatcher.failure is not None:
                raise self._dispatcher.failure
            if call.checkpoint is not None and (found := call.checkpoint.find(index, batch)) is not None:
                self._deliver(call, index, found_task(call.id, index, found), True)
            else:
                self._dispatcher.core.submit(call.id, index, call.tasks_under(index), *encode(batch))
        except BaseException as error:
            self._deliver(call, index, error, False)

    def _fail(self, call: Call, result: FinishedTask) -> None:
        index = result.task_index
        if result.ending == RAISED:
            self._deliver(call, index, result, False)
        elif result.ending == CANCELLED:
            call.withdraw(index)
        else:
            host = self._dispatcher.core.host(result.rank)
            self._deliver(call, index, lost_task_error(result, host), False)

    def _deliver(self, call: Call, index: int, outcome: Outcome, ok: bool) -> None:
        if call.checkpoint is not None:
            call.checkpoint.keep(index, outcome)
        calls = self._dispatcher.calls
        # The flag goes up before the second look: a call that starts later finds it and replaces this thread.
        self.in_callback = len(calls) == 1
        try:
            if self.in_callback and len(calls) == 1:
                call.deliver(index, outcome, ok)
            else:
                call.deliver_elsewhere(index, outcome, ok)
        finally:
            self.in_callback = False

    def _deliver_here_if_need_be(self, call: Call, index: int, error: MemoryError) -> None:
        try:
            self._deliver(call, index, error, False)
        except MemoryError:
            call.deliver(index, error, False)  # there is none for another thread

    def _next_results(self, seconds: float) -> list[FinishedTask]:
        if self._dispatcher.failure is not None:
            time.sleep(_FAILED_SECONDS)
            return []
        try:
            return self._dispatcher.core.next_results(seconds)
        except MemoryError:
            raise
        except Exception as error:
            self._fail_all(error)
            return []

    def _fail_all(self, error: Exception) -> None:
        """End all calls, and those that start later, with an error of the session."""
        self._dispatcher.waiting = False
        self._dispatcher.failure = error
        for call in list(self._dispatcher.calls.values()):
            call.held.clear()
            for index in call.outstanding():
                call.deliver_elsewhere(index, error, False)
