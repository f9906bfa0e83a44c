"""Tests of `ContextKeeper`: what holds in a context, and that nothing of it stays."""

import multiprocessing
import os
import pickle
import warnings

import pytest
from joblib import Parallel, parallel_config
from joblib.parallel import SequentialBackend, ThreadingBackend

from joblib_mpi.executor.context_keeper import ContextKeeper
from joblib_mpi.executor.script_follower import ScriptFollower
from joblib_mpi.executor.shipped_modules import ShippedModules
from joblib_mpi.payloads.task_context import TaskContext

FILTER = ("error", None, DeprecationWarning, None, 0)


def script(pickled_filters):
    """Return what a script sends that has changed its warning filters."""
    return pickle.dumps({"warning filters": pickled_filters})


def no_objects(object_id):
    raise AssertionError(f"object {object_id} was asked for")


def context(nested, **changes):
    return TaskContext(nested, 3, None, script(pickle.dumps([FILTER])), b"key of the caller")._replace(**changes)


def state():
    """Return all that a context changes."""
    parallel = Parallel()
    return (
        type(parallel._backend),
        parallel.n_jobs,
        list(warnings.filters),
        multiprocessing.current_process().authkey,
        os.environ.get("OMP_NUM_THREADS"),
        os.environ.get("OPENBLAS_NUM_THREADS"),
    )


@pytest.fixture
def keeper(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    keeper = ContextKeeper(ScriptFollower(), ShippedModules(no_objects, lambda: None))
    yield keeper
    keeper.leave()


def test_a_context_holds_until_it_is_left(keeper):
    with parallel_config(backend="threading", n_jobs=2):
        before = state()
        keeper.enter(context(SequentialBackend(nesting_level=1), inner_max_num_threads=5))
        assert state() == (SequentialBackend, 3, [FILTER], b"key of the caller", "5", "5")
        keeper.leave()
        assert state() == before
        assert before[4:] == ("7", None)


def test_a_context_takes_nothing_from_the_one_before(keeper):
    filters = list(warnings.filters)
    keeper.enter(context(SequentialBackend(nesting_level=1), inner_max_num_threads=5))
    keeper.enter(context(ThreadingBackend(nesting_level=1), nested_n_jobs=2, script=b"", authkey=b"other"))
    assert state() == (ThreadingBackend, 2, filters, b"other", "7", None)


def test_leaving_without_a_context_changes_nothing(keeper):
    before = state()
    keeper.leave()
    assert state() == before


def test_filters_that_cannot_be_loaded_here_are_ignored(keeper):
    filters = list(warnings.filters)
    keeper.enter(context(SequentialBackend(nesting_level=1), script=script(b"cno_such_module\nWarning\n.")))
    assert state()[2] == filters
