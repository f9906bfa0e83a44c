"""Tests of the options of a call: accepted values, and errors that name the value and the allowed ones."""

import inspect
import math
import re
from pathlib import Path

import joblib
import pytest
from joblib import Parallel, delayed, parallel_config

from joblib_mpi import MpiBackend
from joblib_mpi.calls.call_options import OPTIONS, CallOptions
from joblib_mpi.calls.option_checks import memory_bytes

JOBLIB = tuple(int(part) for part in joblib.__version__.split(".")[:2])

needs_options_of_parallel = pytest.mark.skipif(JOBLIB < (1, 5), reason="joblib 1.5 passes options of Parallel on")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (None, None),
        (1, 1),
        ("123", 123),
        ("500MB", 500_000_000),
        ("500 mb", 500_000_000),
        ("2GiB", 2 * 2**30),
        ("1.5k" + "b", 1500),
        (".5 KiB", 512),
        ("1TB", 10**12),
    ],
)
def test_memory_is_said_in_bytes_or_with_a_unit(limit, expected):
    assert memory_bytes(limit, "memory_limit") == expected


@pytest.mark.parametrize("limit", [0, -1, "", "MB", "500XB", "-5MB", "5 5MB", "0", ".", 2**63, "1e3MB"])
def test_what_is_no_amount_of_memory_is_refused_with_examples(limit):
    with pytest.raises(ValueError, match=r"memory_limit=.*500MB.*2GiB") as caught:
        memory_bytes(limit, "memory_limit")
    assert repr(limit) in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"retries": True},
        {"retries": 1.5},
        {"retries": "2"},
        {"retry_exceptions": 1},
        {"retry_exceptions": "yes"},
        {"task_timeout": []},
        {"memory_limit": 1.5},
        {"memory_limit": True},
        {"checkpoint": 5},
        {"spill_threshold": 1.5},
        {"memory_budget": True},
        {"spill_dir": 5},
        {"spill_dir": b"/tmp"},
        {"keep_spill": 1},
        {"keep_spill": "yes"},
        {"spill_compression": 6},
    ],
)
def test_another_type_is_refused_with_what_is_allowed(options):
    ((name, value),) = options.items()
    with pytest.raises(TypeError) as caught:
        CallOptions().updated(options)
    assert f"{name}={value!r}" in str(caught.value)
    assert "allowed: " in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"retries": -1},
        {"retries": 10**9},
        {"task_timeout": 0},
        {"task_timeout": -1.5},
        {"task_timeout": math.nan},
        {"task_timeout": math.inf},
        {"task_timeout": True},
        {"task_timeout": "soon"},
        {"on_error": "ignore"},
        {"on_error": None},
        {"checkpoint": "folder/"},
        {"spill_threshold": 0},
        {"memory_budget": "much"},
        {"spill_dir": ""},
    ],
)
def test_a_value_out_of_range_is_refused_with_what_is_allowed(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is looked at below
        CallOptions().updated(options)
    assert f"{name}={value!r}" in str(caught.value)
    assert "allowed: " in str(caught.value)


def test_options_that_are_not_named_stay():
    options = CallOptions().updated({"retries": 0, "task_timeout": 3}).updated({"memory_limit": "1KB"})
    assert options == CallOptions(retries=0, task_timeout=3.0, memory_limit=1000)


def test_options_about_large_results_are_read():
    options = CallOptions().updated(
        {"spill_threshold": "1MB", "memory_budget": "2GB", "spill_dir": Path("/tmp/x"), "keep_spill": True}
    )
    assert options[7:12] == (10**6, 2 * 10**9, "/tmp/x", True, None)


@pytest.mark.parametrize(
    "use",
    [
        lambda **options: MpiBackend(**options),
        pytest.param(
            lambda **options: Parallel(backend=MpiBackend(), **options)([delayed(abs)(1)]),
            marks=needs_options_of_parallel,
        ),
        pytest.param(
            lambda **options: Parallel(backend="mpi", **options)([delayed(abs)(1)]), marks=needs_options_of_parallel
        ),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_and_those_that_are_known(job, use):
    text = r'unknown option retires=5 of the "mpi" backend; did you mean retries\? known: scatter, retries, '
    with pytest.raises(TypeError, match=text):
        use(retires=5)
    with pytest.raises(TypeError, match=r"unknown option colour='red' of the \S+ backend; known: scatter"):
        use(colour="red")
    with pytest.raises(TypeError, match="did you mean scatter"):
        use(scater=[])


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        *(("n_worker", "n_workers"), ("scheduler_hots", "scheduler_host"), ("scheduler_fil", "scheduler_file")),
        *(
            ("initialiser", "initializer"),
            ("init_args", "initargs"),
            ("max_nbyte", "max_nbytes"),
            ("mmap_mod", "mmap_mode"),
        ),
        *(("inner_max_num_thread", "inner_max_num_threads"), ("temp_folde", "temp_folder"), ("n_job", "n_jobs")),
        *(("batchsize", "batch_size"), ("predispatch", "pre_dispatch"), ("maxtaskperchild", "maxtasksperchild")),
        *(("checkpiont", "checkpoint"), ("on_errors", "on_error")),
    ],
)
def test_the_nearest_of_all_accepted_options_is_named(job, name, nearest):
    with pytest.raises(TypeError, match=f"unknown option {name}=None .*; did you mean {nearest}\\? known: ") as caught:
        MpiBackend(**{name: None})
    for known in ("n_workers", "scheduler_host", "scheduler_file", "initializer", "max_nbytes", "joblib's own"):
        assert known in str(caught.value)


@needs_options_of_parallel
def test_each_option_that_is_said_to_be_known_is_accepted(job):
    with pytest.raises(TypeError) as caught:
        Parallel(backend="mpi", colour="red")([delayed(abs)(1)])
    known = re.search(r"known: (.*), and joblib's own", str(caught.value))[1].split(", ")
    values = {"scatter": [], "retries": 0, "retry_exceptions": True, "on_error": "raise", "ship": (), "initargs": ()}
    for name in known:
        values.setdefault(name, None)
    for name in known:
        with parallel_config(backend="mpi", **{name: values[name]}):
            assert Parallel()([delayed(abs)(-1)]) == [1]
        if name != "inner_max_num_threads":
            assert Parallel(backend="mpi", **{name: values[name]})([delayed(abs)(-1)]) == [1]
    with pytest.raises(TypeError, match=r"give it to joblib.parallel_config\(.*inner_max_num_threads=2\)"):
        Parallel(backend="mpi", inner_max_num_threads=2)([delayed(abs)(1)])


def test_options_of_joblibs_other_backends_are_accepted(job):
    options = {"temp_folder": "/tmp", "prefer": "processes"}
    if JOBLIB >= (1, 5):
        options |= {"idle_worker_timeout": 60, "maxtasksperchild": 3}
    assert Parallel(backend="mpi", **options)(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]
    with parallel_config(backend="mpi", idle_worker_timeout=60):
        assert Parallel()(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]


def test_every_default_passes_its_own_check():
    assert CallOptions().updated(CallOptions()._asdict()) == CallOptions()


@pytest.mark.parametrize("function", [MpiBackend, MpiBackend.__init__])
def test_the_backends_signature_shows_every_option_with_its_default(function):
    shown = inspect.signature(function).parameters
    keywords = {name: shown[name].default for name in shown if shown[name].kind == inspect.Parameter.KEYWORD_ONLY}
    assert keywords == CallOptions()._asdict()
    assert not any(parameter.kind == inspect.Parameter.VAR_KEYWORD for parameter in shown.values())


def test_a_subclass_of_the_backend_shows_its_own_signature():
    class Quiet(MpiBackend):
        def __init__(self, loudness=0):
            super().__init__()

    assert list(inspect.signature(Quiet).parameters) == ["loudness"]


def test_the_backend_documents_every_option_once_in_order():
    documented = re.findall(r"^(\w+) : ", inspect.getdoc(MpiBackend), re.MULTILINE)
    assert [name for name in documented if name in OPTIONS] == list(OPTIONS)
    assert "{options}" not in MpiBackend.__doc__
    assert 'on_error : {"raise", "return"}, default="raise"' in MpiBackend.__doc__
    assert 'spill_threshold : int or str, default="64MB"' in MpiBackend.__doc__
    assert "task_timeout : float, optional" in MpiBackend.__doc__
