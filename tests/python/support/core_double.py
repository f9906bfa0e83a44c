"""A double of the sessions of `_core` with threads as workers, which refuses what the contract does not allow."""

import itertools
import math
import os
import sys
import threading
import types
from collections import defaultdict, deque, namedtuple

from support.time_limits import END_SECONDS

SPILL_OPTIONS = {"spill_threshold", "memory_budget", "spill_dir", "keep_spill", "spill_compression"}


try:
    from joblib_mpi._core import FinishedTask
except ImportError:  # not built, see install_if_not_built

    class FinishedTask(
        namedtuple(
            "_Fields",
            ["call", "task_index", "rank", "ending", "attempts", "name", "head", "buffers", "first_item", "items"],
        )
    ):
        """A tuple with named fields, made of a sequence."""

        def __new__(cls, fields):
            return super().__new__(cls, *fields)


class Refused(AssertionError):
    """The error if the code under test breaks the contract of `_core.CoordinatorSession` or `_core.WorkerSession`."""


class Job:
    """The state that all ranks share: the tasks, the results and the scattered objects.

    Parameters
    ----------
    n_workers : int
        The number of worker ranks.
    make_worker : callable
        Takes the `WorkerSession` of a rank and returns an object with `run`; None to leave all tasks unrun.
    """

    def __init__(self, n_workers, make_worker=None):
        self.n_workers = n_workers
        self.changed = threading.Condition()
        self.tasks = deque()
        self.results = []
        self.running = defaultdict(int)
        self.most_running = defaultdict(int)
        self.calls = {}
        self.submitted = []
        self.objects = {}
        self.dropped = {rank: [] for rank in range(1, n_workers + 1)}
        self.n_scattered = 0
        self.memory_is_full = False
        self.room_elsewhere = 2**64 - 1
        self.closed_with = None
        self.failure = None
        self.results_without_memory = 0  # the number of times that next_results loses its results for lack of memory
        self.spill_options = {}  # by call: what it was given after those
        self.options = {}  # by call: what start_call was given after max_running
        self.file_refusals = []  # what compare_file returns
        self.files_compared = []  # the arguments of compare_file
        self.faults = {}  # by index: the (ending, reason, attempts) of tasks that are not run
        self.divide = lambda items: [items]  # a batch's items into the ranges that are tasks of their own
        self.rank0 = CoordinatorSession(self)
        self._threads = []
        if make_worker is not None:
            for rank in range(1, n_workers + 1):
                session = WorkerSession(self, rank)
                thread = threading.Thread(target=self._work, args=(session, make_worker), daemon=True)
                thread.start()
                self._threads.append(thread)

    def stop(self):
        """End the worker threads; a task that never returns fails the test."""
        with self.changed:
            self.closed_with = 0 if self.closed_with is None else self.closed_with
            self.changed.notify_all()
        for thread in self._threads:
            thread.join(END_SECONDS)
            assert not thread.is_alive(), "a task is still running"

    def _startable(self, rank):
        for index, task in enumerate(self.tasks):
            if self.running[task[0]] < self.calls[task[0]] and task[-1] in (None, rank):
                del self.tasks[index]
                return task
        return None

    def _work(self, session, make_worker):
        try:
            self._run_tasks(make_worker(session), session)
        except BaseException as error:  # without its workers, a call would never end
            with self.changed:
                self.failure = error
                self.changed.notify_all()

    def _run_tasks(self, worker, session):
        while True:
            with self.changed:
                task = None
                while self.closed_with is None and (task := self._startable(session.rank)) is None:
                    self.changed.wait()
                if task is None:
                    return
                call, index, items, name, head, buffers, objects, _ = task
                self.running[call] += 1
                self.most_running[call] = max(self.most_running[call], self.running[call])
            session.allowed = set(objects)
            session.items = deque(items)
            dropped, self.dropped[session.rank] = self.dropped[session.rank], []
            if dropped:
                worker.forget(dropped)
            came_of_it = self._run(worker, index + items.start, name, head, buffers)
            with self.changed:
                self.running[call] -= 1
                if call in self.calls:
                    self.results.append(FinishedTask((call, index, session.rank, *came_of_it, items.start, len(items))))
                self.changed.notify_all()

    def _run(self, worker, index, name, head, buffers):
        if index in self.faults:
            ending, reason, attempts = self.faults[index]
            return ending, attempts, name, reason.encode(), []
        ok, head, buffers, _ = worker.run(head, [bytearray(buffer) for buffer in buffers])
        return "returned" if ok else "raised", 1, None, bytes(head), [bytearray(buffer) for buffer in buffers]


class CoordinatorSession:
    """Rank 0's view of a `Job`."""

    rank = 0

    def __init__(self, job):
        self._job = job
        self._ids = itertools.count(1)
        self._woken = False
        self._waiter = None
        self._indices = defaultdict(set)
        self._ended = set()

    @property
    def size(self):
        return self._job.n_workers + 1

    @property
    def n_workers(self):
        return self._job.n_workers

    def host(self, rank):
        if not 0 <= rank < self.size:
            raise Refused(f"no rank {rank}")
        return f"host{rank}"

    def start_call(self, *, max_running, retries, retry_exceptions, task_timeout, memory_limit, **spill):
        if retries < 0 or type(retry_exceptions) is not bool or not 0 <= task_timeout < math.inf or memory_limit < 0:
            raise Refused(f"start_call{(retries, retry_exceptions, task_timeout, memory_limit)}")
        if spill.keys() != SPILL_OPTIONS:
            raise Refused(f"start_call with {sorted(spill)}")
        if not 1 <= max_running <= self._job.n_workers:
            raise Refused(f"max_running={max_running} with {self._job.n_workers} workers")
        self._open()
        call = next(self._ids)
        with self._job.changed:
            self._job.calls[call] = max_running
            self._job.options[call] = retries, retry_exceptions, task_timeout, memory_limit
            self._job.spill_options[call] = tuple(spill.values())
        return call

    def submit(self, call, index, items, name, head, buffers, objects, only_on=None):
        if only_on is not None and not 1 <= only_on <= self._job.n_workers:
            raise Refused(f"only_on={only_on} with {self._job.n_workers} workers")
        if type(name) is not str or type(head) is not bytes:
            raise Refused(f"name {name!r}, head {type(head)}")
        for buffer in buffers:
            if not memoryview(buffer).c_contiguous:
                raise Refused("a buffer is not contiguous")
        with self._job.changed:  # another thread may be ending the call
            self._open()
            if call in self._ended:
                return
            if call not in self._job.calls:
                raise Refused(f"unknown call {call}")
            if index in self._indices[call]:
                raise Refused(f"index {index} submitted twice")
            for object_id in objects:
                if object_id not in self._job.objects:
                    raise Refused(f"task needs object {object_id}, which does not exist")
            self._indices[call].add(index)
            self._job.submitted.append((call, index, name, head, list(buffers), list(objects)))
            for part in self._job.divide(range(items)):
                self._job.tasks.append((call, index, part, name, head, buffers, objects, only_on))
            self._job.changed.notify_all()

    def stop_starting(self, call):
        with self._job.changed:
            if call not in self._job.calls:
                raise Refused(f"stop_starting of unknown or ended call {call}")
            self._job.results += [
                FinishedTask((call, task[1], 0, "cancelled", 0, None, b"", [], task[2].start, len(task[2])))
                for task in self._job.tasks
                if task[0] == call
            ]
            self._job.tasks = deque(task for task in self._job.tasks if task[0] != call)
            self._job.changed.notify_all()

    def end_call(self, call):
        with self._job.changed:
            if call not in self._job.calls:
                raise Refused(f"end of unknown or ended call {call}")
            del self._job.calls[call]
            self._ended.add(call)
            self._job.tasks = deque(task for task in self._job.tasks if task[0] != call)
            self._job.results = [result for result in self._job.results if result[0] != call]

    def scatter(self, head, buffers):
        self._open()
        object_id = next(self._ids)
        with self._job.changed:
            parts = bytes(head), [memoryview(bytes(memoryview(buffer))) for buffer in buffers]
            self._job.objects[object_id] = parts
            self._job.n_scattered += 1
        return object_id

    def drop(self, object_id):
        if self._job.closed_with is not None:
            return
        with self._job.changed:
            if object_id not in self._job.objects:
                raise Refused(f"drop of unknown object {object_id}")
            del self._job.objects[object_id]
            for dropped in self._job.dropped.values():
                dropped.append(object_id)

    def object_stats(self):
        return {"transfers": 0, "objects": len(self._job.objects)}

    def room_elsewhere(self):
        # A thread that watches the room may still ask once the session has ended.
        if self._job.closed_with is not None:
            raise sys.modules["joblib_mpi._core"].SessionError("the session has ended")
        return self._job.room_elsewhere

    def unfinished_tasks(self):
        return 0

    def results_fill_memory(self, call):
        if self._job.failure is not None:  # as a client's job that is gone
            raise self._job.failure
        return self._job.memory_is_full

    def compare_file(self, path, for_writing, mark):
        self._open()
        if os.path.realpath(path) != path or type(for_writing) is not bool:
            raise Refused(f"compare_file{(path, for_writing, mark)}")
        if mark and not os.path.exists(os.path.join(os.path.dirname(path), mark)):
            raise Refused(f"there is no mark {mark} beside {path}")
        self._job.files_compared.append((path, for_writing, bool(mark)))
        return list(self._job.file_refusals)

    def worker_returns(self):
        self._open()
        return 0

    def next_results(self, timeout):
        if self._waiter is not None:
            raise Refused("two threads wait for results")
        self._waiter = threading.get_ident()
        try:
            with self._job.changed:
                self._job.changed.wait_for(lambda: self._job.results or self._woken or self._job.failure, timeout)
                self._woken = False
                if self._job.failure is not None:
                    raise self._job.failure
                results, self._job.results = self._job.results, []
                if results and self._job.results_without_memory:
                    self._job.results_without_memory -= 1
                    raise MemoryError
                return results
        finally:
            self._waiter = None

    def wake(self):
        with self._job.changed:
            self._woken = True
            self._job.changed.notify_all()

    def close(self, status):
        with self._job.changed:
            if self._job.closed_with is None:
                self._job.closed_with = status
            self._job.changed.notify_all()

    def _open(self):
        if self._job.closed_with is not None:
            raise Refused("used after close")


class WorkerSession:
    """A worker rank's view of a `Job`."""

    def __init__(self, job, rank):
        self._job = job
        self.rank = rank
        self.allowed = set()
        self.items = deque()
        self.cancelled = False

    @property
    def size(self):
        return self._job.n_workers + 1

    @property
    def n_workers(self):
        return self._job.n_workers

    def object(self, object_id):
        if object_id not in self.allowed:
            raise Refused(f"the task does not name object {object_id}")
        head, buffers = self._job.objects[object_id]
        return head, list(buffers)

    def copy_on_write(self, object_id, part, offset, nbytes):
        return bytearray(self.object(object_id)[1][part][offset : offset + nbytes])

    def next_item(self):
        return self.items.popleft() if self.items else None

    def interrupt_requested(self):
        return self.cancelled


def install_if_not_built():
    """Make the package importable without its compiled part; then no real session can be started."""
    try:
        import joblib_mpi._core  # noqa: F401
    except ImportError:
        core = types.ModuleType("joblib_mpi._core")
        core.__version__ = "0"
        core.SessionError = type("SessionError", (RuntimeError,), {})
        core.VersionMismatchError = type("VersionMismatchError", (core.SessionError,), {})
        core.SpillError = type("SpillError", (core.SessionError,), {})
        core.CheckpointError = type("CheckpointError", (core.SessionError,), {})
        core.FinishedTask = FinishedTask
        for name in ("CoordinatorSession", "WorkerSession", "Zygote", "ExecutorPort"):
            setattr(core, name, type(name, (), {}))
        core.FolderReaper = type("FolderReaper", (), {"__init__": lambda self, folder: None})
        core.is_double = True
        sys.modules["joblib_mpi._core"] = core
