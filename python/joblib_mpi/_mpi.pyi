"""The compiled part with MPI, which only ranks load: the session of a rank.

A native thread schedules and moves data; it never needs the GIL to make progress.
"""

from collections.abc import Callable, Sequence
from typing import final

from typing_extensions import Buffer as SupportsBuffer

from joblib_mpi._core import Buffer, Head, Notes, Zygote, _RunningTask
from joblib_mpi.coordinator import Coordinator, Rank

def mpi_is_initialized() -> bool:
    """Returns whether this process has called MPI_Init."""

def start_session(identity: str, zygote: Zygote | None = None) -> CoordinatorSession | WorkerSession:
    """Starts this process's part in the MPI job, once per process. Collective over all ranks.

    Starts the native thread, which initialises MPI (or joins an MPI that the program has initialised with
    MPI_THREAD_MULTIPLE) and compares `identity` on all ranks. A `zygote` can be given to one session only; then a
    worker's tasks run in its executor processes, and on rank 0 it ends. Rank 0 gets a CoordinatorSession, every other
    rank a WorkerSession. Raises SessionError and VersionMismatchError.
    """

@final
class CoordinatorSession(Coordinator, Rank):  # type: ignore[misc]  # the compiled class is not abstract
    """Rank 0's part in the job. All functions release the GIL while they wait."""

    def listen(self, path: str, identity: str, description: bytes) -> None:
        """Serves clients that connect to a Unix socket, which this makes at `path`, until the session closes.

        The folder of `path` must be one that only this user can enter. A client must have the same `identity`, and is
        told `description`. May be called once. Raises OSError if there can be no socket.
        """
    @property
    def n_clients(self) -> int:
        """The number of clients, those included whose connection is cut and that may come back."""
    @property
    def n_clients_so_far(self) -> int:
        """The number of clients that there have been, those included that have left."""
    def close(self, status: int) -> None:
        """Stops the workers, which then leave `serve` with `status`, and finalises MPI. Idempotent.

        Workers that do not stop within the grace period (5 s) end with the job through MPI_Abort.
        """

@final
class WorkerSession(Rank, _RunningTask):  # type: ignore[misc]  # as above
    """A worker's part in the job."""

    def serve(
        self,
        run: Callable[[Head, list[Buffer]], tuple[bool, bytes, Sequence[SupportsBuffer], Notes | None]],
        forget: Callable[[list[int]], None],
    ) -> int:
        """Runs tasks on the calling thread until rank 0 closes the session; finalises MPI and returns its status.

        `run(head, buffers)` gets what `submit` was given and returns `(ok, head, buffers, notes)`;
        `forget(object_ids)` hears of objects that no task will name again, as soon as no task runs. Neither may raise.
        Only without a zygote.
        """
    def wait_until_closed(self) -> int:
        """Waits until rank 0 closes the session; returns its status. Only with a zygote."""
