"""Tests of `TaskRunner.run`: answers, errors and cancellation of single tasks, without threads."""

import dataclasses
import importlib
import math
import operator
import os
import pickle
import platform
import sys
import threading
import warnings

import numpy
import pytest
from joblib.parallel import BatchedCalls, SequentialBackend

from joblib_mpi import RemoteTraceback, TaskCancelled, WorkerImportError
from joblib_mpi.executor.task_runner import TaskRunner
from joblib_mpi.payloads.errors import unpack_error
from joblib_mpi.payloads.script_state import ScriptState
from joblib_mpi.payloads.task_context import TaskContext
from joblib_mpi.payloads.task_format import TaskEncoder
from joblib_mpi.sharing.call_buffers import CallBuffers
from joblib_mpi.sharing.shared_buffers import SharedBuffers


class Core:
    """A core without scattered objects, which cancels when told to, and whose batches are not divided."""

    cancelled = False
    items = iter(())  # those of the task that `run` runs

    def next_item(self):
        return next(self.items, None)

    def interrupt_requested(self):
        return self.cancelled


class NeedsTwoArguments(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


class HoldsLock(Exception):
    def __init__(self):
        super().__init__("locked")
        self.code = 5
        self.lock = threading.Lock()


class CannotBeLoaded(Exception):
    def __reduce__(self):
        return raise_, (ValueError("cannot be loaded"),)


class ExitsWhenPickled(Exception):
    def __reduce__(self):
        raise SystemExit(4)


class CannotBeSaid(Exception):
    def __str__(self):
        raise ValueError("no text")


class ExitsWhenSaid(ExitsWhenPickled):
    def __str__(self):
        raise SystemExit(5)


@dataclasses.dataclass(frozen=True)
class Frozen(ValueError):
    code: int

    def __str__(self):
        return "is read-only"


class ExitsWhenTouched(ModuleNotFoundError):
    def __getattribute__(self, name):
        raise SystemExit(6)

    __str__ = __repr__ = __reduce__ = ExitsWhenSaid.__str__


STATE = ScriptState()


@pytest.fixture
def core():
    return Core()


@pytest.fixture
def runner(core):
    runner = TaskRunner(core)
    yield runner
    runner.leave_context()


def encode(function, *args, batch=1):
    nested = SequentialBackend(nesting_level=1)
    context = TaskContext(nested, None, None, STATE.packed(), b"key")
    buffers = CallBuffers(SharedBuffers(None, 0, 0), math.inf)
    return TaskEncoder(context, {}, buffers).encode(BatchedCalls([(function, args, {})] * batch, (nested, None)))


def run(runner, function, *args, batch=1):
    _, head, buffers, _ = encode(function, *args, batch=batch)
    Core.items = iter(range(batch))
    return runner.run(head, buffers)


def error_of(answer):
    ok, head, _, _ = answer
    assert not ok
    return unpack_error(head, "rank 3 on cn042")


def raise_(error):
    raise error


def test_the_answer_holds_the_results(runner):
    ok, head, buffers, _ = run(runner, operator.add, numpy.ones(20_000), 1)
    assert ok
    [result] = pickle.loads(head, buffers=[bytearray(buffer) for buffer in buffers])
    assert (result == 2).all()
    assert result.flags.writeable


def test_an_error_arrives_with_type_arguments_traceback_and_place(runner):
    error = error_of(run(runner, raise_, KeyError("k", 1)))
    assert (type(error), error.args) == (KeyError, ("k", 1))
    assert isinstance(error.__cause__, RemoteTraceback)
    text = str(error.__cause__)
    assert "rank 3 on cn042" in text
    assert "in raise_" in text
    assert "joblib_mpi/executor/task_runner.py" not in text


def test_the_remote_traceback_shows_the_cause_of_an_error(runner):
    def fail():
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError as error:
            raise KeyError("outer") from error

    assert "ZeroDivisionError: division by zero" in str(error_of(run(runner, fail)).__cause__)


def test_an_error_is_rebuilt_without_its_constructor(runner):
    error = error_of(run(runner, lambda: raise_(NeedsTwoArguments(1, 2))))
    assert (type(error), str(error)) == (NeedsTwoArguments, "1 and 2")


def test_what_cannot_be_pickled_of_an_error_is_left_out_and_named(runner):
    error = error_of(run(runner, lambda: raise_(HoldsLock())))
    assert (type(error), str(error), error.code) == (HoldsLock, "locked", 5)
    assert not hasattr(error, "lock")
    assert "lock" in error.__notes__[0]


@pytest.mark.parametrize("kind", [CannotBeLoaded, ExitsWhenPickled])
def test_an_error_that_its_class_cannot_pickle_arrives_with_its_type(runner, kind):
    error = error_of(run(runner, lambda: raise_(kind("told"))))
    assert (type(error), error.args) == (kind, ("told",))
    assert "in raise_" in str(error.__cause__)


def test_an_error_whose_class_cannot_be_pickled_arrives_as_text(runner):
    def fail():
        made = threading.Lock()

        class HasALock(Exception):
            lock = made

        raise HasALock("told")

    error = error_of(run(runner, fail))
    assert type(error) is RuntimeError
    assert "HasALock: told" in str(error)
    assert "in fail" in str(error.__cause__)


def test_an_error_whose_methods_exit_is_an_error_of_the_task(runner):
    error = error_of(run(runner, lambda: raise_(ExitsWhenSaid())))
    assert type(error) is ExitsWhenSaid


def test_an_error_that_exits_at_any_use_is_an_error_of_the_task(runner):
    runner._objects.in_use = True
    assert type(error_of(run(runner, lambda: raise_(ExitsWhenTouched())))) is ExitsWhenTouched


def test_advice_reaches_the_caller_with_an_exception_that_refuses_notes(runner):
    runner._objects.in_use = True
    error = error_of(run(runner, lambda: raise_(Frozen(3))))
    assert (type(error), error.code) == (Frozen, 3)
    assert "mmap_mode" in error.__notes__[0]


def test_a_result_whose_error_in_pickling_has_no_text_is_an_error(runner):
    class Result:
        def __reduce__(self):
            raise CannotBeSaid

    assert "CannotBeSaid" in str(error_of(run(runner, Result)))


def test_an_error_without_text_arrives(runner):
    assert type(error_of(run(runner, lambda: raise_(CannotBeSaid())))) is CannotBeSaid


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_errors_that_would_end_the_worker_are_errors_of_the_task(runner, kind):
    assert type(error_of(run(runner, lambda: raise_(kind(3))))) is kind


def test_a_result_that_cannot_be_pickled_is_an_error(runner):
    error = error_of(run(runner, threading.Lock))
    assert isinstance(error, pickle.PicklingError)
    assert "result of a task (of type lock) cannot be pickled" in str(error)


def test_a_module_that_the_worker_lacks_is_named_with_what_to_do(runner):
    _, head, _, _ = encode(operator.add, 1, 2)
    head = head.replace(b"_operator", b"_operatoX")
    error = error_of(runner.run(head, ()))
    assert isinstance(error, WorkerImportError)
    assert "No module named '_operatoX'" in str(error)
    assert f"the Python of a worker ({platform.python_version()}, {sys.executable})" in str(error)
    for remedy in ("install _operatoX", 'ship=["_operatoX"]', "PYTHONPATH"):
        assert remedy in str(error)


def test_a_name_that_the_workers_module_lacks_is_an_error_with_both_versions(runner, monkeypatch):
    _, head, _, _ = encode(operator.add, 1, 2)
    monkeypatch.setattr(sys.modules["_operator"], "__version__", "1.0", raising=False)
    packed = runner.run(head.replace(b"\x03add", b"\x03adX"), ())[1]
    monkeypatch.setattr(sys.modules["_operator"], "__version__", "2.0")
    error = unpack_error(packed, "rank 1 on host1")
    assert isinstance(error, WorkerImportError)
    assert 'something of the module "_operator"' in str(error)
    assert "this program has _operator 2.0, the worker 1.0" in str(error)
    assert error.worker_version == "1.0"


def test_a_module_that_a_task_imports_itself_and_the_worker_lacks_is_an_error_with_what_to_do(runner):
    error = error_of(run(runner, importlib.import_module, "nowhere.part"))
    assert type(error) is ModuleNotFoundError
    assert 'ship=["nowhere"]' in error.__notes__[0]


def test_a_task_runs_under_the_warning_filters_of_its_caller(runner):
    def warn():
        with warnings.catch_warnings(record=True) as seen:
            warnings.warn("heard", UserWarning, stacklevel=1)
        return len(seen)

    with warnings.catch_warnings():
        for action, heard in (("ignore", 0), ("always", 1)):
            warnings.simplefilter(action)
            ok, head, _, _ = run(runner, warn)
            assert (ok, pickle.loads(head)) == (True, [heard])


def test_cancellation_stops_a_task_that_catches_exceptions(runner, core):
    def interrupted():
        try:
            core.cancelled = True
            runner.interrupt()
        except Exception:
            return "caught"

    runner._decoder.decode = lambda head, buffers: lambda: [interrupted()]
    assert runner.run(b"", ()) == (False, b"", (), None)


def test_an_interrupt_that_rank_0_has_not_asked_for_is_ignored(runner, core):
    runner._decoder.decode = lambda head, buffers: lambda: [runner.interrupt()]
    ok, head, _, _ = runner.run(b"", ())
    assert (ok, pickle.loads(head)) == (True, [None])


def test_an_interrupt_between_tasks_is_ignored(runner, core):
    core.cancelled = True
    runner.interrupt()
    core.cancelled = False
    assert run(runner, operator.add, 1, 2)[0]


def test_cancelled_is_not_an_exception_that_tasks_catch_by_accident():
    assert not issubclass(TaskCancelled, Exception)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("leave", "status", "said"),
    [
        (lambda: None, 0, ""),
        (lambda: sys.exit(3), 3, ""),
        (lambda: sys.exit("the reason"), 1, "the reason"),
        (lambda: raise_(ValueError("bad")), 1, "\nValueError: bad\n"),
        (lambda: raise_(ExitsWhenTouched()), 1, ""),
    ],
)
def test_a_child_that_a_task_forks_ends_when_it_leaves_the_task(runner, leave, status, said, batch, capfd):
    def fork_and_leave():
        child = os.fork()
        return leave() if child == 0 else os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    ok, head, _, _ = run(runner, fork_and_leave, batch=batch)
    assert ok
    assert pickle.loads(head) == [status] * batch
    assert capfd.readouterr().err.count(said or "Traceback") == (batch if said else 0)
