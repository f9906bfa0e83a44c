"""Runs the tasks of one executor: a process beside a worker rank, or the rank itself."""

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from joblib_mpi import _core, worker_identity
from joblib_mpi.executor.context_keeper import ContextKeeper
from joblib_mpi.executor.script_follower import ScriptFollower
from joblib_mpi.executor.shared_objects import SharedObjects
from joblib_mpi.executor.shipped_modules import ShippedModules
from joblib_mpi.payloads.errors import TaskCancelled, pack_error, read_only_hint
from joblib_mpi.payloads.exception_access import add_note, text_of
from joblib_mpi.payloads.import_errors import import_error, missing_module_hint
from joblib_mpi.payloads.main_names import show_in_main
from joblib_mpi.payloads.result_pickling import Layout, ResultPickler
from joblib_mpi.payloads.shared_pickling import Head
from joblib_mpi.payloads.task_format import TaskDecoder
from joblib_mpi.program import status_of

if TYPE_CHECKING:
    from joblib_mpi._mpi import WorkerSession

#: Whether the function has returned, head, buffers, and (for results with buffers) its name and their layouts.
Answer = tuple[bool, bytes, Sequence[Any], tuple[str, list[Layout]] | None]


class TaskRunner:
    """Runs one task after the other on one thread.

    A child that a task forks ends when it leaves the task, however it does: only the process that was given the task
    answers.

    Parameters
    ----------
    core : _mpi.WorkerSession or _core.ExecutorPort
        The compiled part, for shared objects and cancellation.
    """

    def __init__(self, core: "WorkerSession | _core.ExecutorPort") -> None:
        self._core = core
        self._objects = SharedObjects(core)
        follower = ScriptFollower(_say, lambda: self._decoder.forget_functions())
        self._context = ContextKeeper(follower, ShippedModules(self._objects.whole, self._forget_modules))
        self._decoder = TaskDecoder(self._objects, self._context.enter, core.next_item, self._end_child)
        self._pickler = ResultPickler()
        self._running = False
        self._process = os.getpid()

    def run(self, head: Head, buffers: Sequence[Any]) -> Answer:
        """Run one task and return the `Answer` with its results or its error. Raises nothing, not even SystemExit."""
        try:
            self._running = True
            try:
                return self._run(head, buffers)
            except TaskCancelled:
                raise
            except BaseException as error:
                self._end_child(error)
                self._advise(error, bool(buffers) or self._objects.in_use)
                return False, pack_error(error), (), None
            finally:
                self._running = False
        except TaskCancelled:
            self._running = False
            return False, b"", (), None  # the call has ended, so this answer is dropped

    def forget(self, object_ids: Sequence[int]) -> None:
        """Drop objects that rank 0 has dropped, and all functions, because they may hold such an object."""
        self._objects.forget(object_ids)
        self._decoder.forget_functions()

    def _forget_modules(self) -> None:
        self._objects.forget_all()
        self._decoder.forget_functions()

    def leave_context(self) -> None:
        """Restore what the context of the last task has changed in this process. No further task may run."""
        self._context.leave()

    def interrupt(self, signal_number: int = signal.SIGINT, frame: Any = None) -> None:
        """Handle SIGINT: cancel the running task if the core has asked for that, else leave Ctrl-C to rank 0."""
        if self._running and self._core.interrupt_requested():
            self._running = False
            raise TaskCancelled("the call that this task belongs to has ended")

    def _run(self, head: Head, buffers: Sequence[Any]) -> Answer:
        worker_identity.become_announced()
        try:
            task = self._decoder.decode(head, buffers)
        except (ImportError, AttributeError) as error:
            raise import_error(error, _place()) from error
        results = task()
        self._end_child()
        try:
            answer, buffers = self._pickler.dumps(results)
            notes = (self._decoder.function_name(), self._pickler.layouts(buffers)) if buffers else None
            return True, answer, buffers, notes
        except MemoryError:
            raise
        except Exception as error:
            kinds = ", ".join(sorted({type(result).__qualname__ for result in results}))
            raise pickle.PicklingError(
                f"the result of a task (of type {kinds}) cannot be pickled to send it back: "
                f"{type(error).__name__}: {text_of(error)}"
            ) from error

    def _advise(self, error: BaseException, has_shared_arrays: bool) -> None:
        try:
            if has_shared_arrays and (hint := read_only_hint(error)) is not None:
                add_note(error, hint)
            if isinstance(error, ModuleNotFoundError):
                add_note(error, missing_module_hint(error, _place()))
        except TaskCancelled:
            raise
        except BaseException:  # from the class of the error, whose methods may raise anything
            pass

    def _end_child(self, error: BaseException | None = None) -> None:
        """Return in the process that was given the task; end every other one, which a task has forked."""
        if os.getpid() != self._process:
            end_forked_child(error)


def end_forked_child(error: BaseException | None) -> NoReturn:
    """End a process that a task has forked, with the exit status of a program that ends with ``error``.

    Its exit handlers are not run: they are copies of those of the process that was given the task.
    """
    status = 0 if error is None else 1
    with suppress(BaseException):  # from methods of the error, after which a copy of the rank must not go on
        if isinstance(error, SystemExit):
            status = status_of(error)
        elif error is not None:
            traceback.print_exception(error)
    flush_output()
    os._exit(status & 0xFF)


def serve_tasks(core: "WorkerSession | _core.ExecutorPort", runner: TaskRunner) -> int | None:
    """Run the tasks of ``core`` on the main thread until there are no more, and return the result of its ``serve``."""
    show_in_main()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)  # output of tasks appears at once, not at the end of the job
    signal.signal(signal.SIGINT, runner.interrupt)
    os.register_at_fork(before=flush_output)  # otherwise a child would print again what a stream holds
    try:
        return core.serve(runner.run, runner.forget)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the job is ending: rank 0 decides how
        runner.leave_context()
        flush_output()


def _place() -> str:
    worker = worker_identity.this_worker()
    return "a worker" if worker is None else f"rank {worker.rank} on {worker.host}"


def _say(line: str) -> None:
    with suppress(Exception):  # a task may have closed it
        print(f"joblib-mpi: {_place()} {line}", file=sys.stderr, flush=True)


def flush_output() -> None:
    """Flush the output of tasks, as far as that is possible."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
