"""Tests of `MpiBackend` with tasks that fail: options reach the core, and errors reach the caller."""

import joblib
import pytest
from joblib import Parallel, delayed, parallel_config

from joblib_mpi import CheckpointInterrupt, RemoteTraceback, SessionError, TaskTimeoutError, WorkerLostError
from joblib_mpi.backend import MpiBackend

JOBLIB = tuple(int(part) for part in joblib.__version__.split(".")[:2])

needs_options_of_parallel = pytest.mark.skipif(JOBLIB < (1, 5), reason="joblib 1.5 passes options of Parallel on")

CRASH = ("lost", "signal 11 (SIGSEGV)", 3)


def square(x):
    return x * x


def fail_at(x, bad):
    if x == bad:
        raise KeyError(f"no {x}")
    return x


def options_of_the_only_call(job):
    ((_, options),) = job.options.items()
    return options


def run(**options):
    return Parallel(backend=MpiBackend(**options))(delayed(square)(i) for i in range(6))


def test_without_options_lost_tasks_get_two_more_attempts(job):
    run()
    assert options_of_the_only_call(job) == (2, False, 0.0, 0)


def test_options_of_the_backend_reach_the_core(job):
    run(retries=0, retry_exceptions=True, task_timeout=1.5, memory_limit="500MB")
    assert options_of_the_only_call(job) == (0, True, 1.5, 500_000_000)


def test_options_of_the_configuration_reach_the_core(job):
    with parallel_config(backend="mpi", retries=4, task_timeout=2):
        Parallel()(delayed(square)(i) for i in range(3))
    assert options_of_the_only_call(job) == (4, False, 2.0, 0)


@needs_options_of_parallel
def test_options_of_one_call_go_before_those_of_the_configuration(job):
    with parallel_config(backend="mpi", retries=4, memory_limit=10):
        Parallel(retries=1)(delayed(square)(i) for i in range(3))
        Parallel()(delayed(square)(i) for i in range(3))
    assert list(job.options.values()) == [(1, False, 0.0, 10), (4, False, 0.0, 10)]


def test_a_call_without_memory_limit_has_that_of_the_session(job):
    joblib_mpi_session().memory_limit = 77
    run()
    run(memory_limit=5)
    assert [options[3] for options in job.options.values()] == [77, 5]


def joblib_mpi_session():
    from joblib_mpi import session

    return session.current()


@pytest.mark.parametrize("options", [{"retries": -1}, {"on_error": "skip"}, {"task_timeout": 0}, {"memory_limit": "x"}])
def test_bad_options_are_refused_by_name(job, options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        MpiBackend(**options)


@needs_options_of_parallel
def test_bad_options_of_a_call_are_refused_by_name(job):
    with pytest.raises(ValueError, match="on_error='skip'; allowed"):
        Parallel(backend="mpi", on_error="skip")(delayed(square)(i) for i in range(3))
    assert job.options == {}


def test_a_lost_task_raises_an_error_that_names_it(job):
    job.faults[4] = CRASH
    with pytest.raises(WorkerLostError) as caught:
        Parallel(backend="mpi", batch_size=1)(delayed(square)(i) for i in range(6))
    error = caught.value
    assert (error.task, error.function, error.reason, error.attempts) == (4, "square", "signal 11 (SIGSEGV)", 3)
    assert (error.rank, error.host) in ((1, "host1"), (2, "host2"))
    assert job.calls == {}
    job.faults.clear()
    assert run() == [0, 1, 4, 9, 16, 25]


def test_a_lost_batch_raises_an_error_that_names_its_tasks(job):
    job.faults[3] = CRASH
    with pytest.raises(WorkerLostError, match=r'^tasks 3 to 5 \("square"\)'):
        Parallel(backend="mpi", batch_size=3, pre_dispatch="all")(delayed(square)(i) for i in range(6))


@pytest.mark.parametrize("batch_size", [1, 10])
def test_a_result_without_room_is_a_memory_error_of_its_task(job, batch_size):
    job.faults[4] = ("no room", "there is no room for 500 bytes: Cannot allocate memory", 1)
    with pytest.raises(
        MemoryError, match=r'the result of task 4 \("square"\) on rank . \(host.\) is lost: there is no '
    ):
        Parallel(backend="mpi", batch_size=1)(delayed(square)(i) for i in range(6))
    with parallel_config(backend="mpi", on_error="return"):
        results = Parallel(batch_size=batch_size)(delayed(square)(i) for i in range(6))
    assert [type(result) is MemoryError for result in results] == [False] * 4 + [True, False]
    job.faults.clear()
    assert run() == [0, 1, 4, 9, 16, 25]


class Exhausting:
    def __reduce__(self):
        raise MemoryError("too large")


def test_no_memory_for_a_pickle_ends_one_call(job):
    with pytest.raises(MemoryError, match="too large"):
        Parallel(backend="mpi")(delayed(square)(Exhausting()) for _ in range(2))
    assert run() == [0, 1, 4, 9, 16, 25]


def test_a_task_over_its_time_raises_a_timeout_of_its_own(job):
    job.faults[1] = ("timed out", "ran longer than its limit of 2 s", 3)
    with pytest.raises(TaskTimeoutError, match=r'task 1 \("square"\) was stopped'):
        run(task_timeout=2)


@pytest.mark.parametrize("batch_size", [1, 10, "auto"])
@pytest.mark.parametrize("return_as", ["list", "generator"])
def test_errors_that_are_returned_stand_in_place_of_their_results(job, batch_size, return_as):
    job.faults[7] = CRASH
    job.faults[8] = ("timed out", "ran longer than its limit of 2 s", 1)
    with parallel_config(backend="mpi", on_error="return"):
        results = list(Parallel(batch_size=batch_size, return_as=return_as)(delayed(fail_at)(i, 3) for i in range(25)))
    assert [i for i, result in enumerate(results) if isinstance(result, BaseException)] == [3, 7, 8]
    assert [result for i, result in enumerate(results) if i not in (3, 7, 8)] == [
        i for i in range(25) if i not in (3, 7, 8)
    ]
    assert [type(results[i]) for i in (3, 7, 8)] == [KeyError, WorkerLostError, TaskTimeoutError]
    assert isinstance(results[3].__cause__, RemoteTraceback)
    assert results[7].task == 7
    assert job.calls == {}


def test_what_cannot_be_sent_or_ends_the_program_is_returned_too(job):
    import threading

    with parallel_config(backend="mpi", on_error="return"):
        unsent, exited, good = Parallel(batch_size=3)(
            [delayed(square)(threading.Lock()), delayed(exit_with)(3), delayed(square)(4)]
        )
    assert "cannot be pickled" in str(unsent)
    assert (type(exited), exited.code, good) == (SystemExit, 3, 16)


def exit_with(code):
    raise SystemExit(code)


def test_a_failed_session_is_raised_even_where_errors_are_returned(job):
    with job.changed:
        job.failure = SessionError("worker 2 was lost")
        job.changed.notify_all()
    with parallel_config(backend="mpi", on_error="return"), pytest.raises(SessionError, match="worker 2 was lost"):
        Parallel()(delayed(square)(i) for i in range(6))


def test_with_a_time_limit_each_task_of_a_batch_travels_alone(job):
    with parallel_config(backend="mpi", task_timeout=60):
        assert Parallel(batch_size=5)(delayed(square)(i) for i in range(10)) == [i * i for i in range(10)]
    assert len(job.submitted) == 10


def test_with_a_time_limit_the_first_error_of_a_batch_ends_the_call(job):
    with parallel_config(backend="mpi", task_timeout=60), pytest.raises(KeyError, match="no 3"):
        Parallel(batch_size=5)(delayed(fail_at)(i, 3) for i in range(10))
    assert job.calls == {}


@pytest.mark.parametrize("options", [{"on_error": "return"}, {"task_timeout": 60}, {"memory_limit": 10**9}])
def test_one_job_at_a_time_runs_on_a_worker_if_the_options_need_one(job, options):
    with parallel_config(backend="mpi", **options):
        assert Parallel(n_jobs=1)(delayed(square)(i) for i in range(4)) == [0, 1, 4, 9]
    assert list(job.most_running.values()) == [1]


@pytest.mark.filterwarnings("ignore:.*one rank")
@pytest.mark.parametrize("batch_size", [1, 4, "auto"])
def test_without_workers_errors_are_returned_all_the_same(make_job, batch_size):
    make_job(0)
    with parallel_config(backend="mpi", on_error="return"):
        results = Parallel(batch_size=batch_size)(delayed(fail_at)(i, 3) for i in range(2000))
    assert (type(results[3]), results[:3], results[4:]) == (KeyError, [0, 1, 2], list(range(4, 2000)))


@pytest.mark.filterwarnings("ignore:.*one rank")
def test_without_workers_a_task_that_exits_is_returned_and_a_signal_is_not(make_job):
    make_job(0)
    with parallel_config(backend="mpi", on_error="return"):
        exited, good = Parallel()([delayed(exit_with)("no such sample"), delayed(square)(4)])
        assert (type(exited), exited.code, good) == (SystemExit, "no such sample", 16)
        with pytest.raises(CheckpointInterrupt):
            Parallel()([delayed(interrupt)()])


def interrupt():
    raise CheckpointInterrupt(75)


@pytest.mark.filterwarnings("ignore:.*one rank")
def test_without_workers_an_exception_is_tried_again_where_asked(make_job):
    make_job(0)
    attempts = []

    def flaky():
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("not yet")
        return "done"

    with parallel_config(backend="mpi", on_error="return", retry_exceptions=True):
        assert Parallel()([delayed(flaky)()]) == ["done"]
