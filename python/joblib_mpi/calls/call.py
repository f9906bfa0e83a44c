"""One ``Parallel`` call on rank 0: its outstanding tasks, and the callbacks that get their outcomes until it ends."""

import queue
import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

from joblib_mpi.calls.back_pressure import BackPressure
from joblib_mpi.calls.call_options import CallOptions
from joblib_mpi.checkpoint import checkpoint_signals
from joblib_mpi.checkpoint.checkpoint import CheckpointedCall
from joblib_mpi.coordinator import Coordinator
from joblib_mpi.payloads.outcome import DividedBatch, FinishedTask, Outcome
from joblib_mpi.sharing.call_buffers import CallBuffers


class Call:
    """A call that has been started in the core.

    Parameters
    ----------
    core : Coordinator
        Rank 0's session.
    max_running : int
        The number of its tasks that may run at a time.
    options : CallOptions
        The options of its tasks.
    buffers : CallBuffers
        The large buffers that its tasks share.
    checkpoint : CheckpointedCall, optional
        The place where its results are kept.

    Attributes
    ----------
    progress : threading.Event
        Set when no task of the call is outstanding, and after each failed task.
    ended : bool
        True once no further callback starts.
    callback_error : BaseException or None
        The error that a callback has raised, for the thread that waits for the call; without such a thread it is
        printed to stderr.
    is_waited_for : bool
        Set by the thread that waits for the call.
    pressure : BackPressure or None
        Decides when tasks have to wait, for results that a generator hands out.
    held : deque
        Tasks that the dispatcher holds back.
    n_expected : int
        The number of tasks that joblib has handed over.
    """

    def __init__(
        self,
        core: Coordinator,
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
        self.n_expected = 0
        self._callbacks: dict[int, Callable[[Outcome], None]] = {}
        self._batch_sizes: dict[int, int] = {}  # of those that have more than one task
        self._parts: dict[int, list[FinishedTask]] = {}  # of divided batches, by their index
        self._end_lock = threading.Lock()
        self._deliveries: queue.SimpleQueue[tuple[int, Outcome, bool] | None] | None = None

    def expect(self, callback: Callable[[Outcome], None], n_tasks: int = 1) -> int:
        """Keep ``callback`` for `deliver` and return the index of its batch of ``n_tasks`` tasks.

        That is the index of the batch's first task; the index of a task is its position in the call, from 0.
        """
        index = self.n_expected
        self.n_expected += n_tasks
        if n_tasks > 1:
            self._batch_sizes[index] = n_tasks
        self._callbacks[index] = callback
        return index

    def tasks_under(self, index: int) -> int:
        """Return the number of tasks in the batch that has this index."""
        return self._batch_sizes.get(index, 1)

    def whole(self, finished: FinishedTask) -> FinishedTask | DividedBatch | None:
        """Return the outcome of the batch to which ``finished``, which has returned, belongs, once it is complete."""
        if not self._batch_sizes or finished.items == (size := self._batch_sizes.get(finished.task_index, 1)):
            return finished
        if finished.task_index not in self._callbacks:  # another part has failed
            return None
        parts = self._parts.setdefault(finished.task_index, [])
        parts.append(finished)
        if sum(part.items for part in parts) < size:
            return None
        del self._parts[finished.task_index]
        return DividedBatch(parts)

    def under_way(self) -> int:
        """Return the number of batches that the core has."""
        return len(self._callbacks) - len(self.held)

    def has_outstanding(self, indices: range) -> bool:
        """Return whether the outcome of a batch that begins at one of these indices has not been delivered."""
        return any(map(self._callbacks.__contains__, indices))

    def outstanding(self) -> list[int]:
        """Return the indices of the batches whose outcome has not been delivered."""
        return list(self._callbacks)

    def deliver(self, index: int, outcome: Outcome, ok: bool) -> None:
        """Run the callback of ``index`` on this thread, unless it has run or the call has ended."""
        callback = self._callbacks.pop(index, None)
        if self._batch_sizes:
            self._batch_sizes.pop(index, None)
            self._parts.pop(index, None)
        if callback is None or self.ended:
            return
        try:
            callback(outcome)
        except BaseException as error:
            self._callback_failed(error)
            ok = False
        if not ok or not self._callbacks:
            self.progress.set()

    def deliver_elsewhere(self, index: int, outcome: Outcome, ok: bool) -> None:
        """Run the callback of ``index`` as `deliver` does, on a separate thread. One caller at a time."""
        with self._end_lock:
            if self.ended:
                return
            if self._deliveries is None:
                deliveries: queue.SimpleQueue[tuple[int, Outcome, bool] | None] = queue.SimpleQueue()
                name = f"joblib-mpi call {self.id}"
                thread = threading.Thread(target=self._deliver_all, args=(deliveries,), name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise MemoryError(f"a thread for results cannot be started: {error}") from error
                self._deliveries = deliveries
            self._deliveries.put((index, outcome, ok))

    def withdraw(self, index: int) -> None:
        """Stop expecting a task that will not start because the run was told to end."""
        if self.checkpoint is not None:
            self.checkpoint.withdraw(index)

    def end_checkpoint(self) -> None:
        """Stop keeping results; if the run was told to end, first let the running tasks, and no others, finish."""
        if self.checkpoint is None:
            return
        if checkpoint_signals.interrupted():
            self._core.stop_starting(self.id)
        self.checkpoint.end()

    def end(self) -> bool:
        """End the call: queued tasks never start, and running tasks are interrupted.

        Returns
        -------
        bool
            False if the call had ended before.
        """
        with self._end_lock:
            if self.ended:
                return False
            self.ended = True
        self._callbacks.clear()
        self._batch_sizes.clear()
        self._parts.clear()
        self._core.end_call(self.id)
        self.buffers.release()
        if self._deliveries is not None:
            self._deliveries.put(None)
        self.progress.set()
        return True

    def _callback_failed(self, error: BaseException) -> None:
        # joblib 1.3 lets errors of the program's task iterator out of its callback, and submits no further task then.
        if self.ended:
            return
        self.callback_error = error
        if not self.is_waited_for:
            traceback.print_exception(error)

    def _deliver_all(self, deliveries: "queue.SimpleQueue[tuple[int, Outcome, bool] | None]") -> None:
        while (delivery := deliveries.get()) is not None:
            self.deliver(*delivery)
