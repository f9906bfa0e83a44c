"""Run a Python program on rank 0 of an MPI job, with the other ranks as joblib workers.

usage: mpirun -n N python -m joblib_mpi script.py [argument ...]
       mpirun -n N python -m joblib_mpi -m module [argument ...]
       mpirun -n N python -m joblib_mpi -c code   [argument ...]
       mpirun -n N python -m joblib_mpi -         [argument ...]   (reads the program from stdin)

       python -m joblib_mpi --help | --version

The program runs as it would without "-m joblib_mpi"; what it runs inside joblib.parallel_config(backend="mpi")
is computed by ranks 1 to N-1. The exit status is the program's.
"""

import sys

from joblib_mpi import VersionMismatchError, __version__, program, session, thread_limits
from joblib_mpi._core import SessionError
from joblib_mpi.worker import serve


def main(argv: list[str]) -> int:
    """Do what ``argv`` says, on the rank that this process is, and return its exit status."""
    # Before there is a session: each rank is told the same, so one of them answers.
    speaks = thread_limits.launched_rank() in (None, 0)
    if argv[:1] in (["--help"], ["-h"], ["--version"], ["-V"]):
        if speaks:
            print(f"joblib-mpi {__version__}" if argv[0] in ("--version", "-V") else __doc__.strip())
        return 0
    try:
        wanted = program.parse(argv)
    except program.UsageError as error:
        if speaks:
            print(f"joblib_mpi: {error}\n\n{__doc__.strip()}", file=sys.stderr)
        return 2
    program.set_import_path(wanted)
    try:
        active = session.start()
    except SessionError as error:
        if speaks or not isinstance(error, VersionMismatchError):
            print(f"joblib_mpi: {error}", file=sys.stderr)
        return 1
    if active.is_worker:
        return serve(active.core)
    active.status = program.INTERRUPTED  # if Ctrl-C comes before or after the program's own code
    active.status = program.run(wanted)
    return active.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
