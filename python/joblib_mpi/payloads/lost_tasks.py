"""The errors of tasks that ended without an answer: what ran them died, or they took too long."""

from typing import Any

from joblib_mpi.joblib_internals import TerminatedWorkerError

_MEMORY = (
    "The task needs more memory than memory_limit allows: raise the limit, start fewer ranks per node, or give each "
    "task less."
)
_OTHERWISE = "The reason is in the job's output, if the task left any; raise retries=... if it may pass."

# By the first words of the reason.
_HINTS = {
    "memory limit": _MEMORY,
    "signal 9 ": (
        "Something outside the task killed it, often the kernel for want of memory: look at the node's dmesg or at the "
        "job's memory, and find the task that grows with memory_limit=..."
    ),
    "signal ": (
        "Its Python traceback is in the job's output, written by faulthandler. To look closer, run this task alone, "
        "without joblib or with --isolation none under a debugger."
    ),
    "exit code ": "The task ended its process, by sys.exit or os._exit for instance: raise an exception instead.",
}


class WorkerLostError(TerminatedWorkerError):
    """A task was lost with the executor process or the rank that ran it, each time it was tried.

    Can be caught as joblib's own ``TerminatedWorkerError``, where joblib has it.

    Parameters
    ----------
    task : int
        The number of the task in its call, from 0; of several that went as one batch, the first.
    function : str
        The name of its function.
    rank, host : int, str
        Where it ran last.
    reason : str
        How its executor ended, such as "signal 11 (SIGSEGV)", "exit code 1" or "memory limit: used 612 MB of 500 MB".
    attempts : int
        How often it was tried.
    n_tasks : int
        How many tasks were lost together, in one batch.
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
    """A task took longer than ``task_timeout`` each time it was tried; parameters as for `WorkerLostError`."""

    def _text(self) -> str:
        return f"{self._subject()} stopped on {self._place()}. {self._hint()}"

    def _hint(self) -> str:
        return "Raise task_timeout=... if the task is only slow; the time counts for each attempt alone."
