"""`joblib_mpi.run_on_workers`: one run of a function on each worker."""

from collections.abc import Callable, Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any

from joblib_mpi import _core, joblib_internals, joining
from joblib_mpi.backend import MpiBackend
from joblib_mpi.calls.dispatcher import Encode
from joblib_mpi.calls.option_checks import one_of, truth
from joblib_mpi.calls.tasks_at_a_time import warn_about_one_rank
from joblib_mpi.payloads.errors import as_error_of_program
from joblib_mpi.payloads.exception_access import add_note
from joblib_mpi.payloads.outcome import Outcome, error_of, results_of
from joblib_mpi.payloads.task_format import EncodedTask
from joblib_mpi.session import Session


def run_on_workers(
    function: Callable[..., Any],
    /,
    *args: Any,
    once_per_host: bool = False,
    on_error: str = "raise",
    **kwargs: Any,
) -> list[Any]:
    """Run a function once on each worker and return the results in the order of ranks.

    It is meant for a look at the workers, such as ``run_on_workers(socket.gethostname)``, and for what has to be done
    once on each host. A worker runs it as its next task, before all that wait, also those of calls that run at the same
    time. Options of ``parallel_config(backend="mpi", …)`` hold for it as for tasks: ``retries``, ``task_timeout``,
    ``memory_limit``, ``initializer``, ``ship`` and ``scatter``.

    Parameters
    ----------
    function : callable
        The function.
    *args
        Its arguments.
    once_per_host : bool
        Whether only the worker with the lowest rank of each host runs it.
    on_error : {"raise", "return"}
        With "return", the exception of a worker takes the place of its result.
    **kwargs
        Its keyword arguments, except for those above.

    Returns
    -------
    list
        One result for each worker, or for each host. In a job with one rank, whose tasks run on that rank, the function
        runs there.

    Raises
    ------
    WorkerLostError
        A worker was lost, be it before this call, or its executor was, in each attempt.
    SessionError
        There are no workers, for the reason in the text, or this is a task.
    TypeError
        ``function`` cannot be called.
    Exception
        What the function has raised on the worker with the lowest rank, once it has ended on all. Its ``__cause__``
        names rank and host, and a note the other workers on which it failed.

    Notes
    -----
    An executor may be replaced between two tasks: when it has crashed, has grown, or has run
    JOBLIB_MPI_EXECUTOR_TASKS tasks. What the function sets in its process is gone then. What every task needs belongs
    into ``initializer``, which each new executor runs before its first task.
    """
    if not callable(function):
        raise TypeError(f"run_on_workers({function!r}); allowed: a function")
    one_of("raise", "return")(on_error, "on_error")
    truth(once_per_host, "once_per_host")
    session = joining.require()
    if session.is_worker:
        raise _core.SessionError("joblib_mpi.run_on_workers() works in the program, not inside a task")
    if session.core.n_workers == 0:
        warn_about_one_rank()
        return [function(*args, **kwargs)]
    ranks = _one_of_each_host(session) if once_per_host else range(1, session.core.size)
    outcomes = _outcomes(session, ranks, (function, args, kwargs))
    errors = {rank: error_of(outcome, session.core.host) for rank, outcome in outcomes.items()}
    failed = {rank: error for rank, error in errors.items() if error is not None}
    if failed and on_error == "raise":
        raise _first(failed, session)
    return [failed[rank] if rank in failed else results_of(outcomes[rank], session.core.host)[0] for rank in outcomes]


def _one_of_each_host(session: Session) -> list[int]:
    first: dict[str, int] = {}
    for rank in range(1, session.core.size):
        first.setdefault(session.core.host(rank), rank)
    return list(first.values())


def _outcomes(session: Session, ranks: Iterable[int], task: tuple[Any, ...]) -> dict[int, Outcome]:
    """Run the task on each of these ranks and return the outcomes in this order, once all are there."""
    outcomes: dict[int, Outcome | None] = dict.fromkeys(ranks)
    active = joblib_internals.active_backend()
    backend = active if isinstance(active, MpiBackend) else MpiBackend()
    if backend.nesting_level is None:
        backend.nesting_level = 0  # as `Parallel` does
    call, encode = backend.start_on_workers()
    call.needs_single_tasks = False  # because each batch is one task
    try:
        for rank in outcomes:
            batch = SimpleNamespace(items=[task])
            session.dispatcher.submit(
                call, partial(_encoded_for, rank, encode), batch, partial(outcomes.__setitem__, rank)
            )
        while None in outcomes.values():
            call.progress.wait()
            call.progress.clear()
    finally:
        session.dispatcher.end_call(call)
    return {rank: outcome for rank, outcome in outcomes.items() if outcome is not None}


def _encoded_for(rank: int, encode: Encode, batch: Any) -> EncodedTask:
    name, head, buffers, objects = encode(batch)[:4]
    return name, head, buffers, objects, rank


def _first(failed: dict[int, BaseException], session: Session) -> BaseException:
    (_, first), *others = failed.items()
    if others:
        also = ", ".join(f"rank {rank} on {session.core.host(rank)} ({type(e).__name__})" for rank, e in others)
        add_note(first, f"It failed as well on {also}.")
    return as_error_of_program(first)
