"""Tests of `MpiBackend` under joblib, on worker threads."""

import dataclasses
import gc
import linecache
import threading
import time
import warnings

import joblib
import pytest
from joblib import Parallel, delayed, parallel_backend, parallel_config

import joblib_mpi
from joblib_mpi import session as sessions
from joblib_mpi.backend import MpiBackend
from joblib_mpi.calls import tasks_at_a_time
from support.time_limits import TIMEOUT_SECONDS

JOBLIB = tuple(int(part) for part in joblib.__version__.split(".")[:2])


def square(x):
    return x * x


def fail_at(x, bad):
    if x == bad:
        raise KeyError(f"no {x}")
    return x


def nested_backend_and_n_jobs(nested_options):
    parallel = Parallel(**nested_options)
    results = parallel(delayed(square)(i) for i in range(3))
    return type(parallel._backend).__name__, parallel.n_jobs, results


def wait_for(event):
    return EVENTS[event].wait(20)


EVENTS = {}


@pytest.fixture
def event():
    key = len(EVENTS)
    EVENTS[key] = threading.Event()
    yield key
    EVENTS[key].set()


@pytest.mark.parametrize("batch_size", [1, 7, "auto"])
@pytest.mark.parametrize("n_workers", [1, 2, 5])
def test_results_come_back_in_submission_order(make_job, n_workers, batch_size):
    make_job(n_workers)
    results = Parallel(backend="mpi", batch_size=batch_size)(delayed(square)(i) for i in range(50))
    assert results == [i * i for i in range(50)]


def test_every_way_to_choose_the_backend_runs_on_the_workers(job):
    with parallel_config(backend="mpi"):
        assert Parallel()(delayed(square)(i) for i in range(3)) == [0, 1, 4]
    with parallel_backend("mpi"):
        assert Parallel()(delayed(square)(i) for i in range(3)) == [0, 1, 4]
    assert Parallel(backend="mpi")(delayed(square)(i) for i in range(3)) == [0, 1, 4]
    assert Parallel(backend=MpiBackend())(delayed(square)(i) for i in range(3)) == [0, 1, 4]
    assert len(job.submitted) == 12


def test_each_call_is_a_call_of_the_core_and_ends(job):
    with parallel_config(backend="mpi"):
        for _ in range(3):
            Parallel()(delayed(square)(i) for i in range(3))
    assert len({task[0] for task in job.submitted}) == 3
    assert job.calls == {}


def test_a_parallel_object_can_be_called_again_inside_with(job):
    with Parallel(backend="mpi") as parallel:
        for n in (3, 0, 5):
            assert parallel(delayed(square)(i) for i in range(n)) == [i * i for i in range(n)]
    assert job.calls == {}


def test_no_tasks_give_an_empty_list(job):
    assert Parallel(backend="mpi")([]) == []
    assert job.submitted == []


def test_auto_batching_makes_batches_of_short_tasks(job):
    assert Parallel(backend="mpi")(delayed(square)(i) for i in range(20_000)) == [i * i for i in range(20_000)]
    assert len(job.submitted) < 10_000


@pytest.mark.parametrize(
    ("n_workers", "n_jobs", "expected"),
    [
        *[(4, -1, 4), (4, None, 4), (4, 1, 1), (4, 3, 3), (4, 99, 4), (4, -2, 3), (4, -9, 1)],
        *[(1, -1, 2), (1, 5, 2), (1, 1, 1)],
    ],
)
def test_n_jobs_counts_worker_ranks(make_job, n_workers, n_jobs, expected):
    make_job(n_workers, make_worker=None)
    assert MpiBackend().effective_n_jobs(n_jobs=n_jobs) == expected


def test_n_jobs_0_has_no_meaning(job):
    with pytest.raises(ValueError, match="n_jobs == 0 in Parallel has no meaning"):
        Parallel(n_jobs=0, backend="mpi")(delayed(square)(i) for i in range(3))


def test_no_more_tasks_run_than_n_jobs(make_job):
    job = make_job(4)
    Parallel(backend="mpi", n_jobs=2, pre_dispatch="all")(delayed(time.sleep)(0.01) for _ in range(8))
    assert list(job.most_running.values()) == [2]


def test_one_worker_runs_one_task_at_a_time_and_not_on_rank_0(make_job):
    job = make_job(1)
    names = Parallel(backend="mpi")(delayed(threading.get_ident)() for _ in range(5))
    assert threading.get_ident() not in names
    assert list(job.most_running.values()) == [1]


def test_without_workers_tasks_run_here_with_one_warning(make_job, monkeypatch):
    job = make_job(0)
    monkeypatch.setattr(tasks_at_a_time, "_warned_about_one_rank", False)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(2):
            with parallel_config(backend="mpi", scatter=[[1, 2]]):
                assert Parallel()(delayed(square)(i) for i in range(3)) == [0, 1, 4]
    assert ["one rank" in str(warning.message) for warning in seen] == [True]
    assert seen[0].filename == __file__
    assert linecache.getline(__file__, seen[0].lineno).strip().startswith("assert Parallel()(")
    assert job.n_scattered == 0


def test_without_a_session_the_error_says_how_to_start_one(monkeypatch):
    monkeypatch.setattr(sessions, "_session", None)
    with pytest.raises(joblib_mpi.SessionError, match=r"python -m joblib_mpi script.py.*joblib_mpi.init\(\)"):
        Parallel(backend="mpi")(delayed(square)(i) for i in range(3))


def test_an_exception_arrives_with_its_type_and_the_remote_traceback(job):
    with pytest.raises(KeyError, match="no 3") as caught:
        Parallel(backend="mpi")(delayed(fail_at)(i, 3) for i in range(10))
    assert isinstance(caught.value.__cause__, joblib_mpi.RemoteTraceback)
    assert "in fail_at" in str(caught.value.__cause__)
    assert any(f"rank {rank} on host{rank}" in str(caught.value.__cause__) for rank in (1, 2))
    assert job.calls == {}


@pytest.mark.parametrize("managed", [False, True])
def test_the_backend_works_after_an_error(job, managed):
    parallel = Parallel(backend="mpi")
    if managed:
        parallel.__enter__()
    for _ in range(2):
        with pytest.raises(KeyError):
            parallel(delayed(fail_at)(i, 3) for i in range(10))
        assert parallel(delayed(fail_at)(i, -1) for i in range(10)) == list(range(10))
    if managed:
        parallel.__exit__(None, None, None)
    assert job.calls == {}


def test_an_argument_that_cannot_be_pickled_is_an_error_of_its_task(job):
    with pytest.raises(Exception, match=r'task "square" cannot be pickled.*_thread.lock') as caught:
        Parallel(backend="mpi")(delayed(square)(x) for x in (1, 2, threading.Lock(), 3))
    assert type(caught.value).__name__ == "PicklingError"
    assert Parallel(backend="mpi")(delayed(square)(i) for i in range(3)) == [0, 1, 4]


def test_an_error_of_the_task_iterator_reaches_the_caller(job):
    def tasks():
        for i in range(30):
            if i == 20:
                raise OSError("the list of tasks is gone")
            yield delayed(square)(i)

    with pytest.raises(OSError, match="the list of tasks is gone"):
        Parallel(backend="mpi")(tasks())


def test_a_task_that_takes_too_long_times_out_and_is_ended(job, event):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - joblib's TimeoutError is not the builtin one everywhere
        Parallel(backend="mpi", timeout=0.1)(delayed(wait_for)(event) for _ in range(2))
    assert "Timeout" in type(caught.value).__name__
    assert job.calls == {}


def test_a_generator_yields_in_submission_order(job):
    results = Parallel(backend="mpi", return_as="generator")(delayed(square)(i) for i in range(30))
    assert next(results) == 0
    assert list(results) == [i * i for i in range(1, 30)]
    assert job.calls == {}


@pytest.mark.skipif(JOBLIB < (1, 4), reason="joblib 1.4 added it")
def test_an_unordered_generator_yields_everything(job):
    results = Parallel(backend="mpi", return_as="generator_unordered")(delayed(square)(i) for i in range(30))
    assert sorted(results) == [i * i for i in range(30)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_dropped_generator_ends_its_call(job, event, elsewhere):
    holder = [Parallel(backend="mpi", return_as="generator")(delayed(wait_for)(event) for _ in range(10))]

    def drop():
        holder.clear()
        gc.collect()

    if elsewhere:
        thread = threading.Thread(target=drop)
        thread.start()
        thread.join()
    else:
        drop()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while job.calls and time.monotonic() < deadline:
        time.sleep(0.01)
    assert job.calls == {}


def test_no_callback_comes_after_an_abort(job, event):
    backend = MpiBackend(nesting_level=0)
    backend.parallel = parallel = FakeParallel()
    backend.start_call()
    outcomes = []
    backend.submit(Batch(wait_for, event), callback=Callback(parallel, outcomes))
    parallel._aborting = True
    backend.abort_everything(ensure_ready=True)
    EVENTS[event].set()
    assert Parallel(backend="mpi")(delayed(square)(i) for i in range(3)) == [0, 1, 4]
    backend.submit(Batch(square, 2), callback=Callback(parallel, outcomes))
    assert outcomes == []


def test_the_callback_comes_once_with_one_argument(job):
    backend = MpiBackend(nesting_level=0)
    parallel = FakeParallel()
    backend.start_call()
    outcomes = []
    for value in (3, threading.Lock()):
        backend.submit(Batch(square, value), callback=Callback(parallel, outcomes))
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(outcomes) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    good = next(outcome for outcome in outcomes if isinstance(outcome, tuple))
    bad = next(outcome for outcome in outcomes if not isinstance(outcome, tuple))
    assert backend.retrieve_result_callback(good) == [9]
    with pytest.raises(Exception, match="cannot be pickled"):
        backend.retrieve_result_callback(bad)
    parallel._running = False
    backend.stop_call()
    assert job.calls == {}


class FakeParallel:
    n_jobs = 2
    _running = True
    _aborting = False


class Callback:
    def __init__(self, parallel, outcomes):
        self.parallel = parallel
        self.outcomes = outcomes

    def __call__(self, outcome):
        self.outcomes.append(outcome)


class Batch:
    def __init__(self, function, *args):
        self.items = [(function, args, {})]
        self._backend, self._n_jobs = joblib.parallel.SequentialBackend(nesting_level=1), None


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenWithSlots(Exception):
    code: int


@dataclasses.dataclass(frozen=True)
class RefusesSubclasses(Exception):
    code: int

    def __init_subclass__(cls):
        raise TypeError("final")


def fail(kind):
    raise kind(3)


@pytest.mark.parametrize("return_as", ["list", "generator", "generator_unordered"])
@pytest.mark.parametrize("kind", [Frozen, FrozenWithSlots])
def test_an_exception_that_refuses_attributes_reaches_the_caller(job, kind, return_as):
    with pytest.raises(kind) as caught:
        list(Parallel(backend="mpi", return_as=return_as)(delayed(fail)(kind) for _ in range(2)))
    error = caught.value
    assert (type(error), error.code) == (kind, 3)
    assert isinstance(error.__cause__, joblib_mpi.RemoteTraceback)
    with pytest.raises(dataclasses.FrozenInstanceError):
        error.code = 4


def test_an_exception_that_refuses_attributes_and_subclasses_reaches_the_caller_as_text(job):
    with pytest.raises(RuntimeError, match="RefusesSubclasses: 3") as caught:
        Parallel(backend="mpi")(delayed(fail)(RefusesSubclasses) for _ in range(2))
    assert isinstance(caught.value.__cause__, joblib_mpi.RemoteTraceback)


def test_exceptions_that_refuse_attributes_take_the_place_of_results(job):
    errors = Parallel(backend="mpi", on_error="return")(delayed(fail)(Frozen) for _ in range(2))
    assert [(type(error), error.code) for error in errors] == [(Frozen, 3)] * 2


def stop(i):
    if i == 2:
        raise StopIteration("no more samples")
    return i


def test_a_stop_iteration_of_a_task_is_raised_as_such_and_ends_no_list_early(job):
    with Parallel(backend="mpi", batch_size=1) as parallel:
        for _ in range(2):
            with pytest.raises(StopIteration, match="no more samples") as caught:
                parallel(delayed(stop)(i) for i in range(5))
            assert isinstance(caught.value.__cause__, joblib_mpi.RemoteTraceback)
        assert parallel(delayed(stop)(i) for i in range(2)) == [0, 1]


def test_a_generator_of_results_raises_a_runtime_error_for_a_stop_iteration(job):
    results = Parallel(backend="mpi", return_as="generator")(delayed(stop)(i) for i in range(5))
    with pytest.raises(RuntimeError) as caught:
        list(results)
    assert isinstance(caught.value.__cause__, StopIteration)


@pytest.mark.parametrize("nested_options", [{}, {"n_jobs": 2}, {"n_jobs": 2, "prefer": "threads"}])
def test_nested_parallel_is_what_joblib_nests(job, nested_options):
    found = Parallel(backend="mpi")(delayed(nested_backend_and_n_jobs)(nested_options) for _ in range(2))
    n_jobs = nested_options.get("n_jobs", 1)
    expected = "ThreadingBackend" if n_jobs > 1 else "SequentialBackend"
    assert found == [(expected, n_jobs, [0, 1, 4])] * 2


def test_progress_is_printed_as_with_other_backends(job, capfd):
    Parallel(backend="mpi", verbose=11)(delayed(square)(i) for i in range(4))
    assert "Using backend MpiBackend with 2 concurrent workers" in capfd.readouterr().err


def test_a_callback_that_raises_does_not_stop_the_other_calls(job, capfd):
    backend = MpiBackend(nesting_level=0)

    class Raising(Callback):
        def __call__(self, outcome):
            raise RuntimeError("this callback is broken")

    parallel = FakeParallel()
    backend.start_call()
    backend.submit(Batch(square, 2), callback=Raising(parallel, []))
    assert Parallel(backend="mpi")(delayed(square)(i) for i in range(20)) == [i * i for i in range(20)]
    # The thread that ran the callback shows it, at some later time.
    shown = ""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while "this callback is broken" not in shown and time.monotonic() < deadline:
        shown += capfd.readouterr().err
        time.sleep(0.01)
    parallel._running = False
    backend.stop_call()
    assert "this callback is broken" in shown


def test_a_failed_session_ends_every_call_with_its_error(job, event):
    def fail():
        time.sleep(0.1)
        with job.changed:
            job.failure = joblib_mpi.SessionError("worker 2 was lost")
            job.changed.notify_all()

    thread = threading.Thread(target=fail)
    thread.start()
    for _ in range(2):
        with pytest.raises(joblib_mpi.SessionError, match="worker 2 was lost"):
            Parallel(backend="mpi")(delayed(wait_for)(event) for _ in range(4))
    thread.join()


@pytest.mark.parametrize("options", [{"scater": []}, {"initializer": "print"}])
def test_unknown_options_and_what_is_no_initializer_are_refused(job, options):
    with pytest.raises(TypeError), parallel_config(backend="mpi", **options):
        pass
