"""Tests of the errors of tasks that ended without an answer: their texts and their types."""

import pickle

import pytest

from joblib_mpi import TaskTimeoutError, WorkerLostError

SEGFAULT = (218, "fit_fold", 3, "cn042", "signal 11 (SIGSEGV)", 3)


def test_the_text_names_task_function_rank_host_reason_and_attempts():
    assert str(WorkerLostError(*SEGFAULT)).startswith(
        'task 218 ("fit_fold") was lost with its executor on rank 3 (cn042): signal 11 (SIGSEGV); 3 attempts were made.'
    )


def test_a_task_that_took_too_long_was_stopped():
    assert str(TaskTimeoutError(7, "wait", 1, "n1", "ran longer than its limit of 2 s", 1)).startswith(
        'task 7 ("wait") was stopped on rank 1 (n1): ran longer than its limit of 2 s; 1 attempt was made. Raise task_'
    )


def test_a_lost_batch_names_all_its_tasks():
    assert str(WorkerLostError(*SEGFAULT, 10)).startswith(
        'tasks 218 to 227 ("fit_fold"), one batch, were lost with their executor on rank 3 (cn042): '
    )


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("signal 11 (SIGSEGV)", "--isolation none"),
        ("signal 6 (SIGABRT)", "faulthandler"),
        ("signal 9 (SIGKILL)", "memory_limit"),
        ("exit code 1", "os._exit"),
        ("memory limit: used 612 MB of 500 MB", "raise the limit"),
        ("did not answer for 10 s", "retries"),
    ],
)
def test_the_text_says_what_to_do_next(reason, hint):
    assert hint in str(WorkerLostError(1, "f", 1, "n1", reason, 3)).split("made. ")[1]


@pytest.mark.parametrize("kind", [WorkerLostError, TaskTimeoutError])
def test_the_error_can_be_pickled_with_its_attributes_and_notes(kind):
    error = kind(*SEGFAULT)
    error.add_note("seen twice")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.task, copy.function, copy.rank, copy.host, copy.reason, copy.attempts) == SEGFAULT
    assert (str(copy), copy.args, copy.__notes__) == (str(error), error.args, ["seen twice"])


def test_the_error_can_be_caught_as_joblibs_own():
    process_executor = pytest.importorskip("joblib.externals.loky.process_executor")
    assert issubclass(WorkerLostError, process_executor.TerminatedWorkerError)


def test_a_timeout_is_a_lost_task_and_a_timeout_error():
    assert issubclass(TaskTimeoutError, WorkerLostError)
    assert issubclass(TaskTimeoutError, TimeoutError)
