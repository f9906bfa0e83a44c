"""The interface of the coordinator to the program of a session."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from joblib_mpi._core import FinishedTask

if TYPE_CHECKING:
    from typing_extensions import Buffer as SupportsBuffer


class Job(Protocol):
    """The job, as every rank and every client knows it."""

    @property
    def size(self) -> int:
        """The number of ranks."""

    @property
    def n_workers(self) -> int:
        """`size - 1`: rank 0 schedules, the others work."""

    def host(self, rank: int) -> str:
        """Return the processor name of `rank`. Raises IndexError."""


class Rank(Job, Protocol):
    """The job, as a rank knows it."""

    @property
    def rank(self) -> int:
        """The rank of this process."""


class Coordinator(Job, Protocol):
    """The scheduler of the job. Any thread may call any function.

    After its end, functions that ask for something raise `SessionError`, and those that end something do nothing.
    """

    def start_call(
        self,
        *,
        max_running: int,
        retries: int,
        retry_exceptions: bool,
        task_timeout: float,
        memory_limit: int,
        spill_threshold: int | None = None,
        memory_budget: int | None = None,
        spill_dir: str | None = None,
        keep_spill: bool | None = None,
        spill_compression: str | None = None,
    ) -> int:
        """Start a call, of which at most `max_running` tasks run at a time, and return its id.

        A task whose executor or rank was lost, or that took longer than `task_timeout` seconds, is run again up to
        `retries` times; one that raised as well with `retry_exceptions`. `memory_limit` bytes limit the process that
        runs a task, where that is not the rank. 0 is no limit. The other arguments are about large results; None
        leaves them to the environment. Raises SpillError if the folder cannot be used.
        """

    def submit(
        self,
        call: int,
        index: int,
        items: int,
        name: str,
        head: bytes,
        buffers: "Sequence[SupportsBuffer]",
        objects: Sequence[int],
        only_on: int | None = None,
    ) -> None:
        """Queue a task, which comes back from `next_results`, with `call` and `index`: once, or in parts of a batch.

        A task of more than one of `items` is a batch, whose items its worker claims one by one (`next_item`), so that
        other workers can take those that have not begun.
        `name` is for messages ("fit_fold"). `buffers` (C-contiguous, any number) are not copied: they are kept alive
        and sent from where they are. The task starts on its worker after all `objects` have arrived there; only
        the worker of rank `only_on` may run it, if that is given. Does nothing if another thread has ended the call.
        """

    def stop_starting(self, call: int) -> None:
        """Start no more tasks of the call: those that wait come back as "cancelled", running ones go on."""

    def end_call(self, call: int) -> None:
        """Forget the call: queued tasks are dropped, running ones interrupted, and nothing of it is delivered."""

    def scatter(self, head: bytes, buffers: "Sequence[SupportsBuffer]") -> int:
        """Start the broadcast of one object to every rank and return its id at once; `buffers` as in `submit`."""

    def drop(self, object_id: int) -> None:
        """Free the object on every rank."""

    def object_stats(self) -> dict[str, int]:
        """Return figures of the shared objects that rank 0's node holds, named as the members of C++'s ObjectStats."""

    def room_elsewhere(self) -> int:
        """Return the bytes of memory that are left on the node with the least, this process's node left out.

        For a client, that of rank 0 counts, on whichever machine the client runs. 2**64 - 1 without another node.
        """

    def unfinished_tasks(self) -> int:
        """Return the number of tasks of all calls that are not complete, interrupted ones that still run included."""

    def results_fill_memory(self, call: int) -> bool:
        """Return whether results that the program still has use up the call's memory budget."""

    def compare_file(self, path: str, for_writing: bool, mark: str) -> list[tuple[int, str]]:
        """Return the ranks whose hosts do not have the file of this host, each with the reason.

        `path` is absolute and without symbolic links. `mark` is the name of a file beside it that exists during the
        comparison, or empty. Waits for all workers, at most 30 s. Raises SessionError if the file cannot be read here.
        """

    def worker_returns(self) -> int:
        """Return how many times a worker has come back after it was given up; `compare_file` had not asked it."""

    def next_results(self, timeout: float) -> list[FinishedTask]:
        """Wait until there are results, `wake` was called, or `timeout` seconds have passed.

        Only one thread may wait at a time.
        """

    def wake(self) -> None:
        """Make `next_results` return, or its next call if no thread waits."""
