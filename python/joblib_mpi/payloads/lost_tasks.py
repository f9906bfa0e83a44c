"""The errors of tasks that ended without an answer: their executor or rank died, or they took too long."""

from typing import Any

from joblib_mpi.joblib_internals import TerminatedWorkerError

_MEMORY = (
    "The task needs more memory than memory_limit allows: raise the limit, start fewer ranks per node, or give each "
    "task less data."
)
_OTHERWISE = "Look for the reason in the job's output; raise retries=... if it may not happen again."

# By the first words of the reason.
_HINTS = {
    "memory limit": _MEMORY,
    "signal 9 ": (
        "Something outside the task killed it, often the kernel when memory runs out: look at the node's dmesg or the "
        "job's memory use, and find the task that takes too much with memory_limit=..."
    ),
    "signal ": (
        "Its Python traceback is in the job's output, written by faulthandler. To find the cause, run this task alone "
        "under a debugger, without joblib or with --isolation none."
    ),
    "exit code ": "The task ended its process, by os._exit for instance: raise an exception instead.",
}


class WorkerLostError(TerminatedWorkerError):
    """In each of its attempts, a task was lost with the executor process or the rank that ran it.

    It can be caught as joblib's own ``TerminatedWorkerError``, where joblib has that.

    Parameters
    ----------
    task : int
        The index of the task in its call, from 0; for a batch of several tasks, that of the first.
    function : str
        The name of the task's function.
    rank : int
        The rank that ran the last attempt.
    host : str
        The host of this rank.
    reason : str
        How the executor ended, such as "signal 11 (SIGSEGV)", "exit code 1" or "memory limit: used 612 MB of 500 MB".
    attempts : int
        The number of attempts.
    n_tasks : int, default=1
        The number of tasks that were lost together, as one batch.
    """

    def __init__(
        self, task: int, function: str, rank: int, host: str, reason: str, attempts: int, n_tasks: int = 1
    ) -> None:
        self.task = task
        self.function = function
        self.rank = rank
        self.host = host
        self.reason = reason
        self.attempts = attempts
        self.n_tasks = n_tasks
        super().__init__(self._text())

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = (self.task, self.function, self.rank, self.host, self.reason, self.attempts, self.n_tasks)
        return type(self), arguments, self.__dict__

    def _text(self) -> str:
        executor = "its executor" if self.n_tasks == 1 else "their executor"
        return f"{self._subject()} lost with {executor} on {self._place()}. {self._hint()}"

    def _subject(self) -> str:
        if self.n_tasks == 1:
            return f'task {self.task} ("{self.function}") was'
        return f'tasks {self.task} to {self.task + self.n_tasks - 1} ("{self.function}"), one batch, were'

    def _place(self) -> str:
        made = "1 attempt was made" if self.attempts == 1 else f"{self.attempts} attempts were made"
        return f"rank {self.rank} ({self.host}): {self.reason}; {made}"

    def _hint(self) -> str:
        return next((hint for start, hint in _HINTS.items() if self.reason.startswith(start)), _OTHERWISE)


class TaskTimeoutError(WorkerLostError, TimeoutError):
    """In each of its attempts, a task took longer than ``task_timeout``.

    Parameters
    ----------
    task : int
        The index of the task in its call, from 0; for a batch of several tasks, that of the first.
    function : str
        The name of the task's function.
    rank : int
        The rank that ran the last attempt.
    host : str
        The host of this rank.
    reason : str
        How the last attempt ended, with its time limit.
    attempts : int
        The number of attempts.
    n_tasks : int, default=1
        The number of tasks in the batch.
    """

    def _text(self) -> str:
        return f"{self._subject()} stopped on {self._place()}. {self._hint()}"

    def _hint(self) -> str:
        return "Raise task_timeout=... if the task is only slow; each attempt has this time."
