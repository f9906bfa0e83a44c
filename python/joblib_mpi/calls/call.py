"""One ``Parallel`` call on rank 0: what is outstanding, whom to tell, and when to stop telling."""

import queue
import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from joblib_mpi import _core
from joblib_mpi.calls.back_pressure import BackPressure
from joblib_mpi.calls.call_options import CallOptions
from joblib_mpi.checkpoint import checkpoint_signals
from joblib_mpi.checkpoint.checkpoint import CheckpointedCall
from joblib_mpi.payloads.outcome import Outcome
from joblib_mpi.sharing.shared_buffers import CallBuffers


class Call:
    """A call that the core knows.

    Parameters
    ----------
    core : _core.CoordinatorSession
        Rank 0's session.
    max_running : int
        How many of its tasks may run at a time.
    options : CallOptions
        How its tasks are treated.
    buffers : CallBuffers
        Finds what the workers have.
    checkpoint : CheckpointedCall, optional
        Keeps its results.

    Attributes
    ----------
    progress : threading.Event
        Set when nothing of the call is outstanding, and after each failed task.
    ended : bool
        No callback starts after this is true.
    callback_error : BaseException or None
        What a callback raised, for the thread that waits for the call; shown on stderr if none does.
    is_waited_for : bool
        Set by that thread.
    pressure : BackPressure or None
        Says when tasks have to wait, if that depends on who takes the results.
    held : deque
        Tasks that wait, for the dispatcher.
    """

    def __init__(
        self,
        core: _core.CoordinatorSession,
        max_running: int,
        options: CallOptions,
        buffers: CallBuffers,
        checkpoint: CheckpointedCall | None = None,
    ) -> None:
        self._core = core
        self.buffers = buffers
        self.checkpoint = checkpoint
        self.options = options
        self.needs_single_tasks = options.need_single_tasks
        self.id = core.start_call(
            max_running=max_running,
            retries=options.retries,
            retry_exceptions=options.retry_exceptions,
            task_timeout=options.task_timeout or 0.0,
            memory_limit=options.memory_limit or 0,
            spill_threshold=options.spill_threshold,
            memory_budget=options.memory_budget,
            spill_dir=options.spill_dir,
            keep_spill=options.keep_spill,
            spill_compression=options.spill_compression,
        )
        self.pressure: BackPressure | None = None
        self.held: deque[tuple[Any, ...]] = deque()
        self.progress = threading.Event()
        self.ended = False
        self.callback_error: BaseException | None = None
        self.is_waited_for = False
        self._tasks_expected = 0
        self._callbacks: dict[int, Callable[[Outcome], None]] = {}
        self._batch_sizes: dict[int, int] = {}  # of those that have more than one task
        self._end_lock = threading.Lock()
        self._deliveries: queue.SimpleQueue[tuple[int, Outcome, bool] | None] | None = None

    def expect(self, callback: Callable[[Outcome], None], n_tasks: int = 1) -> int:
        """Return the ticket under which `deliver` finds ``callback``: the number of the first of its tasks."""
        ticket = self._tasks_expected
        self._tasks_expected += n_tasks
        if n_tasks > 1:
            self._batch_sizes[ticket] = n_tasks
        self._callbacks[ticket] = callback
        return ticket

    def tasks_under(self, ticket: int) -> int:
        """Return how many tasks the ticket stands for."""
        return self._batch_sizes.get(ticket, 1)

    def under_way(self) -> int:
        """Return how many batches are with the core."""
        return len(self._callbacks) - len(self.held)

    def outstanding(self) -> list[int]:
        """Return the tickets that nothing has been delivered for."""
        return list(self._callbacks)

    def deliver(self, ticket: int, outcome: Outcome, ok: bool) -> None:
        """Run the callback of ``ticket`` here, unless it has run or the call has ended."""
        callback = self._callbacks.pop(ticket, None)
        if self._batch_sizes:
            self._batch_sizes.pop(ticket, None)
        if callback is None or self.ended:
            return
        try:
            callback(outcome)
        except BaseException as error:
            self._callback_failed(error)
            ok = False
        if not ok or not self._callbacks:
            self.progress.set()

    def deliver_elsewhere(self, ticket: int, outcome: Outcome, ok: bool) -> None:
        """As `deliver`, on a thread of the call's own. Only one thread at a time may call this."""
        with self._end_lock:
            if self.ended:
                return
            if self._deliveries is None:
                self._deliveries = queue.SimpleQueue()
                name = f"joblib-mpi call {self.id}"
                threading.Thread(target=self._deliver_all, args=(self._deliveries,), name=name, daemon=True).start()
            self._deliveries.put((ticket, outcome, ok))

    def withdraw(self, ticket: int) -> None:
        """Expect nothing of a task that has not started and will not, since the run was told to end."""
        if self.checkpoint is not None:
            self.checkpoint.withdraw(ticket)

    def end_checkpoint(self) -> None:
        """Let the tasks that run, and no others, come to their end if the run was told to end, and keep no more."""
        if self.checkpoint is None:
            return
        if checkpoint_signals.interrupted():
            self._core.stop_starting(self.id)
        self.checkpoint.end()

    def end(self) -> bool:
        """Forget what is outstanding; returns False if the call had ended before.

        Queued tasks never start, running ones are interrupted.
        """
        with self._end_lock:
            if self.ended:
                return False
            self.ended = True
        self._callbacks.clear()
        self._batch_sizes.clear()
        self._core.end_call(self.id)
        self.buffers.release()
        if self._deliveries is not None:
            self._deliveries.put(None)
        self.progress.set()
        return True

    def _callback_failed(self, error: BaseException) -> None:
        # joblib 1.3 lets errors of the program's task iterator out of its callback; nothing more will come then.
        if self.ended:
            return
        self.callback_error = error
        if not self.is_waited_for:
            traceback.print_exception(error)

    def _deliver_all(self, deliveries: "queue.SimpleQueue[tuple[int, Outcome, bool] | None]") -> None:
        while (delivery := deliveries.get()) is not None:
            self.deliver(*delivery)
