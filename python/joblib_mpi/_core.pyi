"""The compiled part that needs no MPI: journal, executor processes, hashing, and what the part with MPI uses of it.

Everything here is in terms of bytes; `pickling` alone knows what they mean.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, final

from typing_extensions import Buffer as SupportsBuffer

from joblib_mpi.coordinator import Coordinator

__version__: str

class SessionError(RuntimeError):
    """The session is impossible: because of MPI, another rank or the way in which the program was started.

    The text says what to do.
    """

class VersionMismatchError(SessionError):
    """Two ranks run different programs or versions, both of which the text names."""

class SpillError(SessionError):
    """A large result has no place, neither in a file in ``spill_dir`` nor in rank 0's memory.

    The text says what is needed.
    """

class CheckpointError(SessionError):
    """A checkpoint cannot be used.

    It cannot be written, is in use, or holds results of another program, version or task. The file is left as it is.
    """

#: A pickle or a text; a long one that has arrived is a read-only view of the core's memory.
Head = bytes | memoryview

#: The function's name, and for each buffer its array's type as numpy writes it, shape, and whether in Fortran order.
Notes = tuple[str, Sequence[tuple[str, Sequence[int], bool]]]

def content_hash(buffer: SupportsBuffer) -> bytes:
    """Returns 16 bytes (xxHash3) that tell contents apart, equal in all processes. Releases the GIL."""

@final
class FolderReaper:
    """A process that removes a folder when this process ends, for any reason, or when the last reference to this goes.

    In a fork of this process nothing is removed.
    """

    def __init__(self, folder: str) -> None:
        """Starts the process. Raises OSError."""

@final
class Journal:
    """The finished results of a program on disk, by call and task; see src/checkpoint/journal.hpp.

    A separate thread writes them. Raises CheckpointError if `path` cannot be used.
    """

    def __init__(self, path: str, identity: str) -> None: ...
    def heed_signals(self) -> None:
        """Has SIGUSR1 and SIGTERM write everything at once, before the handlers run that the process has for them."""
    def leave_signals(self) -> None:
        """Undoes `heed_signals`."""
    def flush(self) -> None:
        """Returns when everything is on the disk, or writing has failed."""
    def finish(self) -> None:
        """Merges everything into one file and closes it; the journal cannot be used any more."""
    def take_warnings(self) -> list[str]:
        """Returns the warnings since the last time, such as those of damaged files or a full disk."""
    @property
    def grace_seconds(self) -> float:
        """JOBLIB_MPI_CHECKPOINT_GRACE_SECONDS."""
    @property
    def requeue_status(self) -> int:
        """JOBLIB_MPI_REQUEUE_STATUS."""

@final
class JournaledCall:
    """One call of the program: the results that a journal has of its tasks, and those that come.

    `number` counts the program's calls with that journal. Any thread may call any function.
    """

    def __init__(self, journal: Journal, number: int) -> None: ...
    def find(self, index: int, function: int, arguments: int, name: str) -> tuple[Head, list[Buffer]] | None:
        """Returns the result that an earlier run has left of a task, as head and buffers, or None.

        `function` and `arguments` are 64-bit hashes, `name` is the function's for messages. Without a result the task
        is under way until `keep` or `forget`. Raises CheckpointError if the journal has another function's result
        there, or one for other arguments.
        """
    def keep(self, index: int, head: Head, buffers: Sequence[SupportsBuffer]) -> None:
        """Keeps the result of a task that is under way, written within JOBLIB_MPI_CHECKPOINT_SECONDS.

        `buffers` are not copied. Waits only when far more is kept than the disk takes. Does nothing for other tasks.
        """
    def forget(self, index: int) -> None:
        """Notes that the task has failed or will not run."""
    @property
    def has_tasks_under_way(self) -> bool:
        """True if there are tasks that `find` has not found and that have neither been kept nor forgotten."""

@final
class Buffer:
    """Memory owned by the core, readable through the buffer protocol without a copy.

    Writable for arguments and results (each belongs to one task), read-only for shared objects.
    """

    def __len__(self) -> int: ...
    if sys.version_info >= (3, 12):
        def __buffer__(self, flags: int, /) -> memoryview: ...

def memory_room() -> int:
    """Returns how many bytes this process can still use before the machine or one of its memory cgroups is full."""

@final
class Zygote:
    """A process that forks this rank's executor processes, and ends them when the rank ends, even by a crash."""

    def start(self) -> None:
        """Starts the process if its keeper is elsewhere, and waits for it.

        Raises SessionError if it cannot start, and OSError if it cannot be forked.
        """

class _RunningTask:
    """The functions that the `run` of a `serve` may call while it runs a task."""

    def object(self, object_id: int) -> tuple[Head, list[Buffer]]:
        """Returns the head and the buffers of a shared object that the running task names."""
    def copy_on_write(self, object_id: int, part: int, offset: int, nbytes: int) -> Buffer | None:
        """Returns bytes of one of its buffers, writable: each page is copied for this process when it is written to.

        Returns None where that is impossible, as in the rank itself.
        """
    def next_item(self) -> int | None:
        """Returns the item of the running batch that is to run next, or None if none is left to run here."""
    def interrupt_requested(self) -> bool:
        """Returns whether the task that is running now was cancelled.

        On cancellation the core sends SIGINT to the thread in `serve`; the handler asks this before it raises.
        """

@final
class ExecutorPort(_RunningTask):
    """An executor process's end of the connection with its rank."""

    def serve(
        self,
        run: Callable[[Head, list[Buffer]], tuple[bool, bytes, Sequence[SupportsBuffer], Notes | None]],
        forget: Callable[[list[int]], None],
    ) -> None:
        """Runs tasks on the calling thread until the rank has no more.

        Raises what `run` raises; its task then has no answer, and is lost when this process ends.
        """

def fork_zygote(prepare: Callable[[], None]) -> Zygote | ExecutorPort:
    """Forks the zygote, which calls `prepare`, and waits for that. Raises SessionError with the text of its error.

    Returns once in the rank with the zygote, and in each executor process with its port; such a process must serve the
    port and end. Must be called before MPI is initialised, without other threads.
    """

def zygote_with_keeper_elsewhere() -> tuple[Zygote, int, int]:
    """Returns a zygote, and two descriptors for the process that is to call `keep_executors`; close them then."""

def keep_executors(region: int, requests: int, rank_process: int, prepare: Callable[[], None]) -> ExecutorPort:
    """Serves the rank that has this process id with a zygote, which calls `prepare`.

    Returns in each executor process with its port, as `fork_zygote` does; this process itself ends with the rank. Must
    be called without other threads.
    """

@final
class Client(Coordinator):  # type: ignore[misc]  # the compiled class is not abstract
    """The part of a process that is no rank in a job: rank 0 works for it as for its own program.

    Once the job is gone, functions that ask for something raise SessionError, whose text says why. The names of calls
    and objects are unique in this process, whichever client has made them. All functions release the GIL while they
    wait.
    """

    def __init__(self, path: str | int, identity: str, patience: float, resume: float = 0.0) -> None:
        """Joins the job that listens at `path`; waits at most `patience` seconds for its answer.

        An integer is the descriptor of a stream socket, at whose other end the job is; the client closes it. A
        connection that is cut may be followed by another one within `resume` seconds.

        Raises OSError if nothing listens there, VersionMismatchError, and SessionError if the job refuses.
        """
    def wait_until_cut(self, seconds: float) -> bool:
        """Waits until the connection is cut and `resume` would help.

        Returns false after that time, or once the client is gone.
        """
    def resume(self, descriptor: int, patience: float) -> None:
        """Goes on over another stream socket to the same job; waits at most `patience` seconds for its answer.

        Nothing is lost, and nothing comes twice. The client closes the descriptor. Raises SessionError if the job is
        gone for the client (see `is_gone`), and otherwise if another connection may help.
        """
    def give_up(self, why: str) -> None:
        """Lets the job be gone for that reason if the connection is cut, or once it is: waits for no other one."""
    @property
    def description(self) -> bytes:
        """Data that the job was given for its clients; see `CoordinatorSession.listen`."""
    @property
    def is_gone(self) -> bool:
        """True if the job is gone, or was left."""
    def close(self) -> None:
        """Leaves the job, which ends all calls of this client and drops its objects. Idempotent."""
    def leave_to_parent(self) -> None:
        """Forgets the connection, in a child process that was forked; nothing else may be called there."""

@final
class FinishedTask(tuple[int, int, int, str, int, str | None, bytes, list[Buffer], int, int]):
    """A task that has ended, as `next_results` of a coordinator gives it: a tuple whose fields have names."""

    def __new__(cls, fields: Sequence[Any]) -> FinishedTask: ...
    @property
    def call(self) -> int:
        """The id of its call."""
    @property
    def task_index(self) -> int:
        """The index that it was submitted with: that of the task, or of the first task of a batch."""
    @property
    def rank(self) -> int:
        """The rank of the last attempt; 0 if there was none."""
    @property
    def ending(self) -> str:
        """One of "returned", "raised", "lost", "timed out", "cancelled", "spill failed" and "no room".

        Always the same objects.
        """
    @property
    def attempts(self) -> int:
        """The number of times that it was started."""
    @property
    def name(self) -> str | None:
        """The name that it was submitted with; None if it has returned or raised."""
    @property
    def head(self) -> Head:
        """The head that `run` returned if it has returned or raised, otherwise the reason why not, as UTF-8 text."""
    @property
    def buffers(self) -> list[Buffer]:
        """The buffers that `run` returned; those of a result that has spilled are private mappings of its file."""
    @property
    def first_item(self) -> int:
        """The first item of the batch that this is about; 0 if several workers have not shared the batch."""
    @property
    def items(self) -> int:
        """The number of items that this is about; 1 for a task that is no batch."""
