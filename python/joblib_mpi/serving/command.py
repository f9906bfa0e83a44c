"""The commands ``joblib-mpi list`` and ``joblib-mpi stop JOB``.

usage: python -m joblib_mpi.serving.command list
       python -m joblib_mpi.serving.command stop JOB
"""

import datetime
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence

from joblib_mpi._core import SessionError
from joblib_mpi.serving import access, access_files
from joblib_mpi.serving.access import Access, Job, State

#: The time that a job may take to end: more than the 5 s after which workers that still run a task are ended.
_STOP_SECONDS = 30.0
#: The time between two looks at the folder of access files, which may be on another machine.
_LOOK_SECONDS = 0.1

_STATES = {"serves": "serves clients", "unreachable": "unreachable", "elsewhere": "on another host"}


def main(argv: Sequence[str]) -> int:
    """Carry out the command line ``argv``, and return the exit status."""
    try:
        if list(argv) == ["list"]:
            return show_jobs()
        if len(argv) == 2 and argv[0] == "stop":
            return stop(argv[1])
    except (SessionError, OSError) as error:
        print(f"joblib-mpi: {error}", file=sys.stderr)
        return 1
    print((__doc__ or "").strip(), file=sys.stderr)
    return 2


def show_jobs() -> int:
    """Print the jobs of this user, and return the exit status."""
    jobs = access.all_jobs()
    if jobs.present:
        print(table(jobs.present))
    else:
        print('no job of yours serves clients; "joblib-mpi serve" starts one')
    for job in jobs.present:
        if job.state.kind != "serves":
            print(f"joblib-mpi: {job.access.job}: {job.state.reason}", file=sys.stderr)
    for ended in jobs.ended:
        print(
            f"joblib-mpi: {ended.job} has ended without removing its access file, as after SIGKILL; it is removed now",
            file=sys.stderr,
        )
    for problem in jobs.problems:
        print(f"joblib-mpi: {problem}", file=sys.stderr)
    return 0


def table(jobs: Sequence[Job]) -> str:
    """Return the lines of a table of jobs, under their headings; with addresses if a job has one."""
    rows = [("JOB", "HOST", "WORKERS", "STARTED", "STATE", "ADDRESS")]
    for known, state in jobs:
        started = _local_time(known.started)
        row = (known.job, known.host, str(known.n_workers), started, _STATES[state.kind], known.address or "")
        rows.append(row)
    n_columns = len(rows[0]) if any(row[-1] for row in rows[1:]) else len(rows[0]) - 1
    widths = [max(len(row[column]) for row in rows) for column in range(n_columns)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def stop(name: str) -> int:
    """End a job, wait for its end, and return the exit status."""
    job = access.named(name)
    state = access.state_of(job)
    if state.kind == "elsewhere":
        return _stop_elsewhere(job)
    if state.kind == "ended":
        access.forget(job)
        print(f"joblib-mpi: {job.job} had ended already; its access file is removed")
        return 0
    if state.pid == 0:
        print(f"joblib-mpi: {job.job} cannot be ended from here: {_why_not(job, state)}", file=sys.stderr)
        return 1
    if not _ends_after_sigterm(job, state.pid):
        print(
            f"joblib-mpi: {job.job} has not ended within {_STOP_SECONDS:g} s after SIGTERM; "
            f'"kill -KILL {state.pid}" ends it by force',
            file=sys.stderr,
        )
        return 1
    access.forget(job)  # what remains if it ended in another way
    print(f"joblib-mpi: {job.job} has ended")
    return 0


def _ends_after_sigterm(job: Access, process: int) -> bool:
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        # The id may have been given to another process before it was opened; then the job has ended.
        if access.state_of(job).pid != process:
            return True
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        return bool(select.select([descriptor], [], [], _STOP_SECONDS)[0])
    except ProcessLookupError:
        return True
    finally:
        os.close(descriptor)


def _stop_elsewhere(job: Access) -> int:
    path = access_files.path_of(job.job)
    if job.slurm_job is None or shutil.which("scancel") is None:
        cancel = "" if job.slurm_job is None else f', or "scancel {job.slurm_job}" where Slurm\'s commands are'
        print(
            f"joblib-mpi: the host of {job.job} is {job.host}, and this is {socket.gethostname()}: run "
            f'"joblib-mpi stop {job.job}" there{cancel}. If that host has been restarted, remove {path}',
            file=sys.stderr,
        )
        return 1
    command = _cancelling(job.slurm_job, job.slurm_step)
    cancelled = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if cancelled.returncode != 0:
        print(
            f'joblib-mpi: "{" ".join(command)}" has failed ({cancelled.stderr.strip()}); if the job has ended already, '
            f"remove {path}",
            file=sys.stderr,
        )
        return 1
    if job.slurm_step is None:
        access_files.remove(job.job)  # Slurm may kill rank 0 before it has done so
        print(f"joblib-mpi: Slurm ends its job {job.slurm_job}, and with it {job.job} on {job.host}")
        return 0
    if not _is_withdrawn(job.job):
        print(
            f"joblib-mpi: {job.job} on {job.host} has not ended within {_STOP_SECONDS:g} s after "
            f'"{" ".join(command)}"; "scancel {job.slurm_job}" ends the Slurm job by force',
            file=sys.stderr,
        )
        return 1
    print(f"joblib-mpi: {job.job} has ended")
    return 0


def _cancelling(slurm_job: str, slurm_step: str | None) -> list[str]:
    if slurm_step is None:
        return ["scancel", slurm_job]
    # Rank 0 ends the job at SIGUSR1, and workers ignore it. What else the Slurm job does goes on.
    return ["scancel", "--signal=USR1", f"{slurm_job}.{slurm_step}"]


def _is_withdrawn(name: str) -> bool:
    deadline = time.monotonic() + _STOP_SECONDS
    while name in access_files.jobs():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _why_not(job: Access, state: State) -> str:
    return state.reason or f"its process is in another container of {job.host}; stop it there"


def _local_time(started: str) -> str:
    try:
        return datetime.datetime.fromisoformat(started).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
