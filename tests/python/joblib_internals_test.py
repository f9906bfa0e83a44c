"""Tests of each private name of joblib that the backend uses, as it is today and as if joblib had renamed it."""

import importlib
import queue
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import joblib.parallel
import pytest
from joblib import Parallel, delayed
from joblib.parallel import BatchedCalls, ParallelBackendBase, SequentialBackend, ThreadingBackend

from joblib_mpi import joblib_internals
from joblib_mpi.payloads.task_context import TaskContext
from joblib_mpi.payloads.task_format import TaskDecoder, TaskEncoder
from joblib_mpi.sharing.call_buffers import CallBuffers
from joblib_mpi.sharing.shared_buffers import SharedBuffers
from support.nodes import Nodes
from support.time_limits import TIMEOUT_SECONDS


def square(x):
    return x * x


class Inspecting(ParallelBackendBase):
    """A backend that runs batches inline and inspects the `Parallel` object before it answers."""

    supports_retrieve_callback = True

    def __init__(self, look):
        super().__init__()
        self._look = look
        self.seen = []

    def effective_n_jobs(self, n_jobs):
        return 2

    def submit(self, func, callback=None):
        self.seen.append(self._look(self.parallel, func))
        callback(func())

    apply_async = submit

    def retrieve_result_callback(self, out):
        return out


@pytest.fixture
def seen_during_a_call():
    """Return what a function returns for a running `Parallel` object and its first batch."""

    def see(look):
        backend = Inspecting(look)
        results = Parallel(n_jobs=2, backend=backend, batch_size=2)(delayed(square)(i) for i in range(4))
        assert results == [0, 1, 4, 9]
        return backend.seen[0]

    return see


def batch_of(n_tasks, backend=None, n_jobs=3):
    return BatchedCalls([(square, (i,), {}) for i in range(n_tasks)], (backend, n_jobs))


# What is in a batch.


def test_a_batch_tells_its_tasks_and_its_nested_backend(seen_during_a_call):
    items, nesting = seen_during_a_call(
        lambda parallel, batch: (joblib_internals.items_of(batch), joblib_internals.nesting_of(batch))
    )
    assert items == [(square, (0,), {}), (square, (1,), {})]
    assert isinstance(nesting[0], ParallelBackendBase)


def test_a_callable_that_is_no_batch_has_no_items():
    assert joblib_internals.items_of(square) is None
    assert joblib_internals.items_of({}) is None  # whose `items` is a method


def test_splitting_gives_a_batch_for_each_task_with_the_nested_backend_of_the_whole():
    backend = SequentialBackend()
    parts = joblib_internals.split_batch(batch_of(2, backend))
    assert [part.items for part in parts] == [[(square, (0,), {})], [(square, (1,), {})]]
    assert [joblib_internals.nesting_of(part) for part in parts] == [(backend, 3)] * 2


def test_splitting_what_is_no_batch_gives_it_back():
    assert joblib_internals.split_batch(square) == [square]


def test_splitting_a_batch_that_hides_its_nested_backend_still_splits_it():
    parts = joblib_internals.split_batch(SimpleNamespace(items=[1, 2]))
    assert [part.items for part in parts] == [[1], [2]]


@pytest.mark.parametrize("missing", ["_backend", "_n_jobs"])
def test_a_batch_that_hides_its_nested_backend_is_sent_with_that_of_its_call(missing):
    nodes = Nodes()
    context = TaskContext(SequentialBackend(nesting_level=1), 5, None, b"", b"")
    batch = batch_of(2)
    delattr(batch, missing)
    encoder = TaskEncoder(context, {}, CallBuffers(SharedBuffers(nodes, 2**30, 2**30), 2**20))
    name, head, buffers, _ = encoder.encode(batch)
    entered = []
    next_item = iter([0, 1, None]).__next__
    assert TaskDecoder(nodes, entered.append, next_item).decode(head, buffers)() == [0, 1]
    assert name == "square"
    assert [entered[0].nested_backend.nesting_level, entered[0].nested_n_jobs] == [1, 5]


# How a call stands.


def test_a_call_is_over_once_joblib_stops_running_or_aborts_it(seen_during_a_call):
    assert seen_during_a_call(lambda parallel, batch: joblib_internals.is_over(parallel)) is False
    parallel = Parallel(n_jobs=2, backend="threading")
    parallel(delayed(square)(i) for i in range(4))
    assert joblib_internals.is_over(parallel)
    parallel._running = parallel._aborting = True
    assert joblib_internals.is_over(parallel)


@pytest.mark.parametrize("flags", [{}, {"_running": True}, {"_aborting": False}])
def test_without_a_flag_a_call_is_over_when_joblib_ends_any(flags):
    assert joblib_internals.is_over(SimpleNamespace(**flags))


@pytest.mark.parametrize(("return_as", "expected"), [("list", False), ("generator", True)])
def test_joblib_tells_whether_results_come_from_a_generator(return_as, expected):
    assert joblib_internals.returns_generator(Parallel(return_as=return_as)) is expected


def test_without_the_name_it_is_unknown_whether_results_come_from_a_generator():
    assert joblib_internals.returns_generator(SimpleNamespace()) is None


def test_joblib_tells_whether_it_waits_for_results(seen_during_a_call):
    def look(parallel, batch):
        waits = joblib_internals.waits_for_results(parallel)
        before = waits()
        parallel._aborting = True
        after = waits()
        parallel._aborting = False
        return before, after

    assert seen_during_a_call(look) == (True, False)


@pytest.mark.parametrize("names", [{}, {"_aborting": False}, {"_wait_retrieval": lambda: True}])
def test_without_a_name_it_is_unknown_whether_joblib_waits(names):
    assert joblib_internals.waits_for_results(SimpleNamespace(**names)) is None


@pytest.mark.parametrize("name", ["_wait_retrieval", "return_generator"])
def test_without_a_name_the_backend_leaves_waiting_to_joblib(job, name):
    class Renamed(Parallel):
        def __getattribute__(self, wanted):
            if wanted == name and sys._getframe(1).f_globals["__name__"].startswith("joblib_mpi"):
                raise AttributeError(wanted)
            return super().__getattribute__(wanted)

    assert Renamed(backend="mpi")(delayed(square)(i) for i in range(20)) == [i * i for i in range(20)]


def test_finished_results_wait_until_the_consumer_takes_them():
    parallel = Parallel(n_jobs=2, backend="threading", return_as="generator", pre_dispatch="all")
    results = parallel(delayed(square)(i) for i in range(2))
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not joblib_internals.has_results_waiting(parallel):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert list(results) == [0, 1]
    assert not joblib_internals.has_results_waiting(parallel)


def test_without_a_name_no_results_are_seen_to_wait(monkeypatch):
    waiting = SimpleNamespace(_jobs=[SimpleNamespace(status=joblib.parallel.TASK_DONE)])
    assert joblib_internals.has_results_waiting(waiting)
    assert not joblib_internals.has_results_waiting(SimpleNamespace())
    assert not joblib_internals.has_results_waiting(SimpleNamespace(_jobs=[object()]))
    monkeypatch.delattr(joblib.parallel, "TASK_DONE")
    assert not joblib_internals.has_results_waiting(waiting)


# What joblib keeps.


def test_batches_that_were_prepared_and_not_submitted_are_dropped(seen_during_a_call):
    def look(parallel, batch):
        prepared = parallel._ready_batches
        assert isinstance(prepared, queue.Queue)
        return True

    assert seen_during_a_call(look)
    parallel = Parallel()
    parallel._ready_batches = queue.Queue()
    parallel._ready_batches.put(1)
    joblib_internals.discard_prepared_batches(parallel)
    assert parallel._ready_batches.empty()


@pytest.mark.parametrize("names", [{}, {"_ready_batches": None}])
def test_without_their_queue_nothing_is_dropped(names):
    joblib_internals.discard_prepared_batches(SimpleNamespace(**names))


def test_threads_are_the_local_backend():
    backend = joblib_internals.threading_backend(1)
    assert type(backend) is ThreadingBackend
    assert backend.nesting_level == 1


@pytest.mark.parametrize("known", [None, {}])
def test_without_a_list_of_backends_the_local_backend_is_sequential(monkeypatch, known):
    if known is None:
        monkeypatch.delattr(joblib.parallel, "BACKENDS")
    else:
        monkeypatch.setattr(joblib.parallel, "BACKENDS", known)
    assert type(joblib_internals.threading_backend(1)) is SequentialBackend


def test_joblib_calls_what_was_announced_for_a_backend():
    def register():
        joblib.register_parallel_backend("announced", ThreadingBackend)

    joblib_internals.announce_backend("announced", register)
    try:
        with joblib.parallel_config(backend="announced"):
            assert Parallel(n_jobs=2)(delayed(square)(i) for i in range(3)) == [0, 1, 4]
    finally:
        del joblib.parallel.EXTERNAL_BACKENDS["announced"], joblib.parallel.BACKENDS["announced"]


def test_without_joblibs_list_of_external_backends_nothing_is_announced(monkeypatch):
    monkeypatch.delattr(joblib.parallel, "EXTERNAL_BACKENDS")
    joblib_internals.announce_backend("announced", lambda: None)


def test_lost_tasks_can_be_caught_as_joblibs_own_error():
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    assert joblib_internals.TerminatedWorkerError is TerminatedWorkerError


def test_without_loky_lost_tasks_are_runtime_errors(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib.externals.loky.process_executor", None)
    spec = importlib.util.find_spec("joblib_mpi.joblib_internals")
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    assert fresh.TerminatedWorkerError is RuntimeError


def test_no_other_file_of_the_package_uses_a_private_name_of_joblibs():
    names = ["_aborting", "_running", "_ready_batches", "_wait_retrieval", "_jobs", "_backend", "_n_jobs"]
    private = re.compile(rf"\b(parallel|batch|callback|func)\.({'|'.join(names)})\b|joblib\.(_\w+|externals)")
    folder = Path(joblib_internals.__file__).parent
    users = [path.name for path in folder.rglob("*.py") if private.search(path.read_text())]
    assert users == ["joblib_internals.py"]


def test_without_joblibs_methods_for_tasks_and_results_nothing_is_changed():
    parallel = SimpleNamespace(return_generator=False)
    joblib_internals.pass_on_stop_iteration(parallel)
    joblib_internals.watch_tasks(parallel, SimpleNamespace())
    assert vars(parallel) == {"return_generator": False}
