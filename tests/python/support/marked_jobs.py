"""The remains of MPI jobs: processes, shared memory and temporary files."""

import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from support.time_limits import END_SECONDS


class MarkedJobs:
    """Jobs whose processes and files are known by the environment that they are started with.

    Parameters
    ----------
    temporary_folder : str
        The TMPDIR of the jobs: empty, and short, because paths of sockets must be.
    """

    def __init__(self, temporary_folder):
        self._temporary_folder = Path(temporary_folder)
        self._shared_memory = set(os.listdir("/dev/shm"))
        #: Where Open MPI has its own shared memory, apart from that of other programs.
        self._open_mpi_memory = Path(tempfile.mkdtemp(prefix="jm", dir="/dev/shm"))
        self._open_mpi_memory.chmod(0o1777)
        self._mark = f"JOBLIB_MPI_TEST_{os.getpid()}_{id(self)}"
        #: Whether files of Open MPI may remain: the session folder, also of mpirun, remains if a job ends abruptly;
        #: that folder (4.1) or shared memory (5.0) remains if a process is started without mpirun, even though its MPI
        #: is finalised.
        self.may_leave_open_mpi_files = False

    @property
    def environment(self):
        """The environment of mpirun, which also identifies the processes and files of a job."""
        return {
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_btl_vader_backing_directory": str(self._open_mpi_memory),  # Open MPI 4.1
            "OMPI_MCA_btl_sm_backing_directory": str(self._open_mpi_memory),  # Open MPI 5
            "TMPDIR": str(self._temporary_folder),
            self._mark: "1",
        }

    def kill_all(self):
        """Kill every process of the jobs."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def check_nothing_is_left(self):
        """Fail if a job has left a process, shared memory or a temporary file.

        What disappears within a moment is no failure: processes may be about to end, and shared memory may belong to
        another program.
        """
        deadline = time.monotonic() + END_SECONDS
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.kill_all()
        shutil.rmtree(self._open_mpi_memory, ignore_errors=True)
        assert not left, "left behind: " + ", ".join(left)

    def left(self):
        """Return a text that lists what is left of the jobs."""
        left = [f"process {name}" for name in self.processes().values()]
        left += [f"/dev/shm/{name}" for name in self.left_in_shared_memory()]
        for path in self._temporary_folder.iterdir():
            if not (self.may_leave_open_mpi_files and path.name.startswith(("ompi.", "prterun."))):
                left.append(str(path))
        return left

    def left_in_shared_memory(self):
        """Return the files that are new in /dev/shm and mapped by no process; those of other programs are mapped.

        Only the tests' own Open MPI is looked at: that of other jobs may have left files.
        """
        left = set(os.listdir("/dev/shm")) - self._shared_memory
        left = {name for name in left if not name.startswith(("sm_segment.", "vader_segment."))}
        for maps in Path("/proc").glob("[0-9]*/maps"):
            try:
                text = maps.read_text()
            except OSError:
                continue
            left -= {name for name in left if f"/dev/shm/{name}" in text}
        if not self.may_leave_open_mpi_files:
            left |= {str(path.relative_to("/dev/shm")) for path in self._open_mpi_memory.rglob("*")}
        return {name for name in left if os.path.isfile(f"/dev/shm/{name}")}

    def processes(self):
        """Return the ids and command lines of all processes of the jobs, known by a variable in their environment."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (OSError, IndexError):
                continue
            if self._mark.encode() in environment and state != "Z":
                found[int(folder.name)] = f"{folder.name} ({command.strip()})"
        return found
