"""Run a Python program on rank 0 of an MPI job, with the other ranks as joblib workers.

usage: mpirun -n N python -m joblib_mpi [option ...] script.py [argument ...]
       mpirun -n N python -m joblib_mpi [option ...] -m module [argument ...]
       mpirun -n N python -m joblib_mpi [option ...] -c code   [argument ...]
       mpirun -n N python -m joblib_mpi [option ...] -         [argument ...]   (reads the program from stdin)
       mpirun -n N python -m joblib_mpi [option ...] -i                         (an interactive console)
       mpirun -n N python -m joblib_mpi [option ...] --serve [--idle-timeout SECONDS] [--listen HOST:PORT]

       python -m joblib_mpi --help | --version

options:
  --isolation process|none  run tasks in processes beside the worker ranks (the default), or in the ranks themselves
  --preload MODULE[,...]    import modules once on each worker, for all executor processes; may be repeated
  --scheduler-host JOB      run the program as a client of a job that "joblib-mpi serve" has started: its name, auto,
                            slurm:JOBID, or ssh:NODE/JOB
  --unsafe-path             (first) find the program's modules as without Python's option -P
  --memory-limit SIZE       the private memory of one executor process, such as 500MB or 2GiB

With --serve, rank 0 runs no program: it waits for clients, other programs of the same user, until SIGTERM or Ctrl-C, or
until it has had no client for the idle timeout. With --listen it also lets the user's programs on other hosts in.
"joblib-mpi serve" starts ranks so.

The program runs as it would without "-m joblib_mpi"; the tasks of its calls inside
joblib.parallel_config(backend="mpi") run on ranks 1 to N-1. The exit status is the program's. The environment
variables JOBLIB_MPI_ISOLATION, JOBLIB_MPI_PRELOAD, JOBLIB_MPI_MEMORY_LIMIT and JOBLIB_MPI_SCHEDULER_HOST do what the
options do.
"""

import os
import sys
import time
from typing import TYPE_CHECKING

from joblib_mpi import VersionMismatchError, __version__, program, start_options, thread_limits
from joblib_mpi._core import SessionError

if TYPE_CHECKING:
    from joblib_mpi.serving.serve_options import ServeOptions
    from joblib_mpi.session import Session

#: How long the other ranks wait for the rank that prints the message, because a rank that fails ends the whole job.
#: Chosen, not measured.
_SPEAKER_FIRST_SECONDS = 5.0


def main(argv: list[str]) -> int:
    """Run the command line ``argv`` on this rank, and return the exit status."""
    # All ranks get the same command line, and there is no session yet: one of them answers.
    speaks = thread_limits.launched_rank() in (None, 0)
    if argv[:1] in (["--help"], ["-h"], ["--version"], ["-V"]):
        if speaks:
            print(f"joblib-mpi {__version__}" if argv[0] in ("--version", "-V") else __doc__.strip())
        return 0
    # "joblib-mpi run" starts Python with -P for the sake of joblib-mpi's own modules.
    safe_path = None
    if argv[:1] == ["--unsafe-path"]:
        argv, safe_path = argv[1:], bool(os.environ.get("PYTHONSAFEPATH"))
    try:
        options, rest = start_options.from_arguments(start_options.from_environment(), argv)
        wanted = program.parse(rest)
        options = _options_for(wanted, options)
        serving = _serve_options(wanted) if wanted.kind == "serve" else None
    except (program.UsageError, ValueError) as error:
        if speaks:
            print(f"joblib_mpi: {error}\n\n{__doc__.strip()}", file=sys.stderr)
        else:
            time.sleep(_SPEAKER_FIRST_SECONDS)
        return 2
    program.set_import_path(wanted, safe_path=safe_path)
    try:
        if thread_limits.launched_rank() and options.isolation != "none":
            from joblib_mpi import node_zygotes

            zygote = node_zygotes.zygote_of_node(options)
            if zygote is not None:
                return node_zygotes.serve_session(zygote)
        active = _started(options)
    except start_options.MissingModuleError as error:
        print(f"joblib_mpi: {error}", file=sys.stderr)
        return 2
    except (SessionError, ValueError) as error:
        if speaks or not isinstance(error, VersionMismatchError):
            print(f"joblib_mpi: {error}", file=sys.stderr)
        else:
            time.sleep(_SPEAKER_FIRST_SECONDS)
        return 1
    if active.is_worker:
        return active.serve()
    active.status = program.INTERRUPTED  # if Ctrl-C comes before or after the program's own code
    active.status = program.run(wanted) if serving is None else _serve_clients(active, serving)
    return active.status


def _started(options: start_options.StartOptions) -> "Session":
    from joblib_mpi import joining, public_names, session

    public_names.bind()
    missing = start_options.missing_module(options.preload)
    if missing is not None:
        raise start_options.MissingModuleError(missing)
    return session.start(options) if options.scheduler_host is None else joining.attach(options.scheduler_host)


def _options_for(wanted: program.Program, options: start_options.StartOptions) -> start_options.StartOptions:
    if options.scheduler_host is None:
        return options
    if thread_limits.is_launched():
        raise program.UsageError("--scheduler-host is for programs that neither mpirun nor srun has started")
    if wanted.kind != "serve":
        return options
    if options.scheduler_host != start_options.from_environment().scheduler_host:
        raise program.UsageError("--scheduler-host is for clients of a job, but --serve starts one; omit one of them")
    return options._replace(scheduler_host=None)  # the variable is for the programs of this environment


def _serve_options(wanted: program.Program) -> "ServeOptions":
    from joblib_mpi.serving import serve_options

    return serve_options.parse(wanted.arguments)


def _serve_clients(active: "Session", options: "ServeOptions") -> int:
    from joblib_mpi.serving.serve import serve

    try:
        return serve(active, options.idle_timeout, options.listen)
    except SessionError as error:
        print(f"joblib_mpi: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
