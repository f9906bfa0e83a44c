"""Tests of checkpoints in a session of this process: what is computed again, what is not, and what is refused."""

import gc
import os
import resource
import signal
import threading
import warnings

import joblib
import numpy
import pytest
from joblib import Parallel, delayed, parallel_config

import joblib_mpi
from joblib_mpi import CheckpointError
from joblib_mpi.backend import MpiBackend
from joblib_mpi.checkpoint import checkpoint
from support.time_limits import TIMEOUT_SECONDS

pytestmark = pytest.mark.skipif(getattr(joblib_mpi._core, "is_double", False), reason="joblib_mpi._core is not built")

JOBLIB = tuple(int(part) for part in joblib.__version__.split(".")[:2])
needs_options_of_parallel = pytest.mark.skipif(JOBLIB < (1, 5), reason="joblib 1.5 passes options of Parallel on")

ran = []


@pytest.fixture(autouse=True)
def nothing_has_run():
    ran.clear()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.h5"


@pytest.fixture(params=[0, 1, 2], ids=["one rank", "one worker", "two workers"])
def any_job(make_job, request):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the MPI job has one rank")
        yield make_job(request.param)


def square(x):
    ran.append(x)
    return x * x


def cube(x):
    ran.append(x)
    return x**3


def fail_once(x):
    ran.append(x)
    if x == 3 and ran.count(3) == 1:
        raise KeyError(x)
    return x


def run(path, function=square, values=range(10), **options):
    with parallel_config(backend="mpi", checkpoint=path):
        return Parallel(**options)(delayed(function)(i) for i in values)


def test_a_second_run_computes_nothing(any_job, path):
    assert run(path) == [i * i for i in range(10)]
    assert sorted(ran) == list(range(10))
    assert [entry.name for entry in path.parent.iterdir()] == ["run.h5"]
    assert run(path) == [i * i for i in range(10)]
    assert len(ran) == 10


def first_of(values, parts=(), scale=1):
    ran.append(len(ran))
    return float(values[0]) * scale


def refilled(make):
    buffer, pair = make(), (1, 2)
    for i in range(10):
        buffer[0] = i
        yield delayed(first_of)(buffer, [buffer, pair, [pair]], scale=1)


def filled_anew(make):
    for i in range(10):
        buffer, pair = make(), (1, 2)
        buffer[0] = i
        yield delayed(first_of)(buffer, [buffer, pair, [pair]], scale=1)


@pytest.mark.parametrize("make", [lambda: [0], lambda: numpy.zeros(3), lambda: numpy.zeros(1000)])
def test_a_task_whose_buffer_is_filled_again_is_kept_with_its_own_content(make_job, path, make):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the MPI job has one rank")
        for n_workers, tasks in ((2, refilled), (0, refilled), (2, filled_anew), (0, filled_anew), (1, refilled)):
            make_job(n_workers)
            with parallel_config(backend="mpi", checkpoint=path):
                assert Parallel()(tasks(make)) == list(range(10))
            assert len(ran) == 10


def test_more_tasks_than_before_are_those_that_run(any_job, path):
    run(path, values=range(4))
    assert run(path) == [i * i for i in range(10)]
    assert sorted(ran) == list(range(10))


@pytest.mark.parametrize("form", ["list", "generator", "generator_unordered"])
def test_all_forms_of_results_resume(job, path, form):
    if form == "generator_unordered" and JOBLIB < (1, 4):
        pytest.skip("joblib 1.4 has generator_unordered")
    run(path, values=range(5))
    assert sorted(run(path, return_as=form)) == [i * i for i in range(10)]
    assert sorted(ran) == list(range(10))


def test_calls_of_one_block_are_apart(any_job, path):
    for _ in range(2):
        with parallel_config(backend="mpi", checkpoint=path):
            for n_jobs, function in ((None, square), (1, cube), (2, square)):
                assert Parallel(n_jobs=n_jobs)(delayed(function)(i) for i in range(3)) == [
                    function(i) for i in range(3)
                ]
    assert len(ran) == 9 + 2 * 9  # once by the tasks, and twice by the comparison


@needs_options_of_parallel
def test_one_parallel_object_may_have_a_checkpoint_of_its_own(any_job, path):
    for _ in range(2):
        parallel = Parallel(backend="mpi", checkpoint=str(path))
        assert parallel(delayed(square)(i) for i in range(3)) == [0, 1, 4]
        assert parallel(delayed(square)(i) for i in range(3, 5)) == [9, 16]
    assert sorted(ran) == list(range(5))
    with Parallel(backend="mpi", checkpoint=path) as parallel:
        assert parallel(delayed(square)(i) for i in range(3)) == [0, 1, 4]
    assert sorted(ran) == list(range(5))


def test_results_come_back_bit_by_bit_and_writable(any_job, path):
    nan = numpy.array([0x7FF8000000000123], "u8").view("f8")
    values = [
        numpy.arange(100_000.0),
        nan,
        numpy.zeros((2, 0)),
        numpy.array(["a", None], dtype=object),
        {"a": [1, None]},
    ]
    for _ in range(2):
        results = run(path, function=identity, values=values)
        assert results[0].tobytes() == values[0].tobytes()
        assert results[0].flags.writeable
        assert results[0].flags.aligned
        assert results[1].tobytes() == nan.tobytes()
        assert results[2].shape == (2, 0)
        assert results[3].tolist() == ["a", None]
        assert results[4] == values[4]
    assert len(ran) == len(values)


@pytest.mark.parametrize("limit", [64_000_000, 1000])
def test_what_the_program_writes_to_a_result_does_not_get_into_the_checkpoint(any_job, path, monkeypatch, limit):
    monkeypatch.setattr("joblib_mpi.checkpoint.checkpoint._COPIED_BYTES", limit)
    values = [numpy.arange(100_000.0) + index for index in range(3)]
    for _ in range(2):
        results = run(path, function=copied, values=values)
        for result, value in zip(results, values, strict=True):
            assert result.tobytes() == value.tobytes()
            result[:] = -1
    assert len(ran) == len(values)


def copied(value):
    ran.append(0)
    return value.copy()


def fill(out, row):
    ran.append(row)
    out[row] = row


def hold(out, in_function):
    """Return a task's function and its first argument, one of which has the map."""
    return (lambda _, row: fill(out, row), None) if in_function else (fill, out)


MAPS = {
    "whole": lambda out: out,
    "view": lambda out: numpy.asarray(out)[1:],
    "in a dictionary": lambda out: {"out": [out]},
}


@pytest.mark.parametrize("mode", ["w+", "r+"])
@pytest.mark.parametrize("in_function", [False, True])
@pytest.mark.parametrize("rows", [10, 3000])
@pytest.mark.filterwarnings("ignore:task .* can write")
def test_no_run_goes_on_from_tasks_that_write_into_a_memory_map(any_job, path, mode, in_function, rows):
    file = path.parent / "out"
    out = numpy.memmap(file, float, "w+", shape=rows)
    for n_tasks in (3, 5):
        out = numpy.memmap(file, float, mode, shape=rows)
        function, first = hold(out, in_function)
        with parallel_config(backend="mpi", checkpoint=path):
            tasks = [delayed(function)(first, row) for row in range(1, n_tasks)]
            if n_tasks == 3:
                Parallel()(tasks)
                assert out[:4].tolist() == [0, 1, 2, 0]
            else:
                with pytest.raises(CheckpointError, match=r'write to the memory map of "/.*/out" \(mode ".\+"\)'):
                    Parallel()(tasks)
    with parallel_config(backend="mpi"):
        Parallel()(tasks)
    assert out[:5].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", MAPS)
def test_the_first_run_warns_that_no_other_can_go_on(any_job, path, kind):
    out = numpy.memmap(path.parent / "out", float, "w+", shape=3000)
    with pytest.warns(RuntimeWarning, match='open it with mode "r"') as warned:
        run(path, function=identity, values=[MAPS[kind](out)] * 3)
    assert sum('memory map of "' in str(warning.message) for warning in warned) == 1


def test_a_memory_map_that_tasks_only_read_is_compared_by_its_content(any_job, path):
    file = path.parent / "data"
    numpy.arange(3000.0).tofile(file)
    for values in (numpy.arange(3000.0), numpy.memmap(file, float, "r"), numpy.memmap(file, float, "c")):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*memory map")
            run(path, function=identity, values=[values])
    assert len(ran) == 1
    numpy.zeros(3000).tofile(file)
    with pytest.raises(CheckpointError):
        run(path, function=identity, values=[numpy.memmap(file, float, "r")])


def identity(value):
    ran.append(0)
    return value


def refusal(path, **options):
    with pytest.raises(CheckpointError) as caught:
        run(path, **options)
    return str(caught.value)


def test_another_function_or_other_arguments_are_refused_and_nothing_is_mixed(any_job, path):
    run(path)
    before = path.read_bytes()
    text = refusal(path, function=cube)
    assert 'task 0 ("cube") of call 0 is not the task whose result it holds there ("square"): the function or' in text
    assert "move the file away or give another name" in text
    assert 'task 0 ("square")' in refusal(path, values=[5])
    assert "the arguments have changed, or differ from run to run" in refusal(path, values=[5], n_jobs=1)
    assert path.read_bytes() == before
    run(path)
    assert sorted(ran) == list(range(10))


def run_with_key(path, key):
    with parallel_config(backend="mpi", checkpoint=path, checkpoint_key=key):
        return Parallel()(delayed(square)(i) for i in range(5))


def test_the_checkpoint_key_decides_with_function_and_arguments(any_job, path):
    run_with_key(path, {"data": "v1"})
    run_with_key(path, {"data": "v1"})
    assert len(ran) == 5
    for key in ({"data": "v2"}, None):
        with pytest.raises(CheckpointError, match="the function or something that it refers to has changed"):
            run_with_key(path, key)
    with pytest.raises(CheckpointError, match=r"checkpoint_key=.* has no content"):
        run_with_key(path.with_name("other.h5"), threading.Lock())
    assert len(ran) == 5


def test_it_is_refused_also_where_errors_are_results(any_job, path):
    run(path)
    with parallel_config(backend="mpi", checkpoint=path, on_error="return"), pytest.raises(CheckpointError):
        Parallel()(delayed(cube)(i) for i in range(3))


def test_a_task_that_fails_runs_again(any_job, path):
    with pytest.raises(KeyError):
        run(path, function=fail_once, values=range(5))
    assert run(path, function=fail_once, values=range(5)) == list(range(5))
    assert ran.count(3) == 2


def test_an_error_that_is_returned_is_not_kept(any_job, path):
    with parallel_config(backend="mpi", checkpoint=path, on_error="return"):
        results = Parallel()(delayed(fail_once)(i) for i in range(5))
    assert isinstance(results[3], KeyError)
    assert run(path, function=fail_once, values=range(5)) == list(range(5))
    assert sorted(ran) == [0, 1, 2, 3, 3, 4]


def test_a_file_that_is_no_checkpoint_is_left_alone(any_job, path):
    path.write_text("my thesis")
    assert "is not a joblib-mpi checkpoint" in refusal(path)
    assert path.read_text() == "my thesis"
    assert ran == []


def test_a_missing_folder_is_an_error_of_the_call(any_job, path):
    assert "cannot be written" in refusal(path.parent / "missing" / "run.h5")
    assert ran == []


def test_a_file_in_use_is_refused(job, path):
    holder = joblib_mpi._core.Journal(str(path), "another program")
    assert "is in use by process" in refusal(path)
    del holder


def test_a_block_that_something_keeps_alive_does_not_keep_its_file(job, path):
    backend = MpiBackend(checkpoint=path)
    for _ in range(2):
        assert Parallel(backend=backend)(delayed(square)(i) for i in range(3)) == [0, 1, 4]
        assert run(path, values=range(3)) == [0, 1, 4]
        backend = MpiBackend(checkpoint=path)
    assert len(ran) == 3


def test_a_damaged_result_is_computed_again_with_a_warning(job, path):
    run(path, function=identity, values=["first", "second"])
    path.write_bytes(path.read_bytes().replace(b"second", b"sEcond"))
    with pytest.warns(RuntimeWarning, match='the result of task 1 \\("identity"\\) of call 0 is computed again'):
        assert run(path, function=identity, values=["first", "second"]) == ["first", "second"]
    assert len(ran) == 3


def test_a_full_disk_stops_the_checkpoint_and_not_the_run(job, path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.warns(RuntimeWarning, match="is no longer written: .*File too large.*the run goes on without it"):
            results = run(path, function=identity, values=[numpy.zeros(50_000), 1, 2])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert results[1:] == [1, 2]


def test_an_argument_without_content_is_an_error_of_the_call(any_job, path):
    text = refusal(path, values=[1, (i for i in "ab")])
    assert 'argument of task "square" has no content that a checkpoint could compare' in text


@pytest.mark.parametrize("value", [3, b"run.h5", True])
def test_what_is_no_path_is_refused(value):
    with pytest.raises(TypeError, match=r"checkpoint=.*allowed: None, or the path of a file"):
        MpiBackend(checkpoint=value)
    with pytest.raises(ValueError, match=r"checkpoint=''; allowed"):
        MpiBackend(checkpoint="")


def test_others_read_the_file_with_h5py(job, path):
    h5py = pytest.importorskip("h5py")
    run(path)
    with h5py.File(path) as file:
        assert dict(file.attrs)["format"] == b"joblib_mpi journal"
        records = file["records"][:]
        assert sorted(records["task"]) == list(range(10))
        assert set(records["function"]) == {b"square"}
        assert file["data"].shape[0] == records["size"].sum()


def test_the_signals_are_the_programs_own_again_after_the_block(job, path):
    gc.collect()  # blocks of other tests that have ended with an error
    run(path)
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_fork_leaves_an_open_checkpoint_to_its_parent(job, path):
    with parallel_config(backend="mpi", checkpoint=path), warnings.catch_warnings():
        Parallel()(delayed(square)(i) for i in range(5))
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        child = os.fork()
        if child == 0:
            signal.alarm(int(TIMEOUT_SECONDS))
            checkpoint._open[str(path)].close()
            os._exit(signal.getsignal(signal.SIGTERM) != signal.SIG_DFL)
        assert os.waitpid(child, 0)[1] == 0
        assert not path.exists()
    gc.collect()
    assert run(path, values=range(5)) == [i * i for i in range(5)]
    assert len(ran) == 5


def test_a_search_resumes(job, path):
    selection = pytest.importorskip("sklearn.model_selection")
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    x, y = load_iris(return_X_y=True)

    def search(grid):
        return selection.GridSearchCV(LogisticRegression(max_iter=200), {"C": grid}, cv=3, refit=False)

    with parallel_config(backend="mpi", checkpoint=path):
        first = search([0.1, 1.0]).fit(x, y)
    n_tasks = len(job.submitted)
    with parallel_config(backend="mpi", checkpoint=path):
        again = search([0.1, 1.0]).fit(x, y)
    assert len(job.submitted) == n_tasks == 6
    scores = "mean_test_score"
    assert again.cv_results_[scores].tolist() == first.cv_results_[scores].tolist()
