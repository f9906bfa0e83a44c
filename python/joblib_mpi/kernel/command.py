"""The command ``joblib-mpi kernel``, which installs, shows and removes Jupyter kernels whose ranks start with them."""

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from joblib_mpi import thread_limits
from joblib_mpi.joining import check_n_workers
from joblib_mpi.kernel.specification import is_ours, specification

_DEFAULT_NAME = "joblib-mpi"

_DESCRIPTION = """\
Installs, shows and removes Jupyter kernels: plain Python ones whose ranks start with the kernel, so that the first call
with backend="mpi" does not wait for them."""

_ABOUT_INSTALL = """\
The kernel finds MPI as this shell does, also if Jupyter is started without it: PATH, LD_LIBRARY_PATH and the settings
of MPI are kept in the kernelspec. After "module load" of another MPI, install it again."""


class _CannotDo(Exception):
    """The command cannot be carried out; the text says why and what to do."""


def main(argv: Sequence[str]) -> int:
    """Carry out the command line ``argv``, and return the exit status."""
    options = _parser().parse_args(argv)
    try:
        kernels = _kernels()
        if options.command == "install":
            return install(kernels, options)
        return show(kernels) if options.command == "list" else remove(kernels, options.name)
    except (_CannotDo, OSError) as error:
        print(f"joblib-mpi: {error}", file=sys.stderr)
        return 1


def install(kernels: Any, options: argparse.Namespace) -> int:
    """Write a kernelspec, and return the exit status."""
    from ipykernel.kernelspec import write_kernel_spec

    if thread_limits.is_launched():
        raise _CannotDo("a kernelspec keeps the environment of your shell, but this is a rank of a job: leave the job")
    if options.slurm is not None and shutil.which("salloc") is None:
        raise _CannotDo("salloc, which allocates the nodes that --slurm is about, is not on PATH")
    n_workers = options.workers
    parts = ["MPI", n_workers and _workers(n_workers), "Slurm" if options.slurm is not None else None]
    display_name = options.display_name or f"Python 3 ({', '.join(filter(None, parts))})"
    content = specification(display_name, n_workers, os.environ, slurm_options=options.slurm)
    prefix = sys.prefix if options.sys_prefix else options.prefix
    with tempfile.TemporaryDirectory() as folder:
        source = write_kernel_spec(os.path.join(folder, "kernel"), overrides=content)
        try:
            place = kernels.install_kernel_spec(
                source, options.name, user=prefix is None, prefix=None if prefix is None else os.path.abspath(prefix)
            )
        except ValueError as error:  # the name is not allowed
            raise _CannotDo(f"--name {options.name!r}: {error}") from error
    print(f'installed the kernel {options.name}, "{display_name}", in {place}')
    return 0


def show(kernels: Any) -> int:
    """Print the kernels of this kind that Jupyter finds, and return the exit status."""
    found = _ours(kernels)
    for name, kernel in sorted(found.items()):
        print(f"{name}  {kernel['resource_dir']}  {kernel['spec'].get('display_name', '')}")
    if not found:
        print('Jupyter finds no kernel of joblib-mpi; "joblib-mpi kernel install" makes one')
    return 0


def remove(kernels: Any, name: str) -> int:
    """Remove the kernel of that name, and return the exit status."""
    found = _ours(kernels)
    if name not in found:
        known = f"those are {', '.join(sorted(found))}" if found else "there is none"
        raise _CannotDo(f'Jupyter finds no kernel of joblib-mpi with the name "{name}"; {known}')
    print(f"removed {kernels.remove_kernel_spec(name)}")
    return 0


def _ours(kernels: Any) -> dict[str, Any]:
    return {name: kernel for name, kernel in kernels.get_all_specs().items() if is_ours(kernel["spec"]["argv"])}


def _kernels() -> Any:
    try:
        import ipykernel  # noqa: F401
        from jupyter_client.kernelspec import KernelSpecManager
    except ImportError as error:
        raise _CannotDo(
            f"{sys.executable} has no ipykernel ({error}), which a kernel consists of; install it there: "
            f"{sys.executable} -m pip install ipykernel"
        ) from error
    return KernelSpecManager()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="joblib-mpi kernel", description=_DESCRIPTION, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    install = commands.add_parser(
        "install",
        description=_ABOUT_INSTALL,
        help="write a kernelspec, in place of one of that name",
        allow_abbrev=False,
    )
    install.add_argument(
        "-n",
        "--workers",
        type=_n_workers,
        metavar="N",
        help="number of workers; rank 0 comes on top (default: as many as cores, or as the allocation has room for)",
    )
    install.add_argument("--name", default=_DEFAULT_NAME, help=f"name of the kernelspec (default: {_DEFAULT_NAME})")
    install.add_argument("--display-name", metavar="TEXT", help='name that Jupyter shows (default: "Python 3 (MPI)")')
    install.add_argument(
        "--slurm",
        metavar="OPTIONS",
        type=_slurm_options,
        help='allocate nodes for the ranks with salloc and these options, such as --slurm="-N 2 -t 60"',
    )
    place = install.add_mutually_exclusive_group()
    place.add_argument("--user", action="store_true", help="install it for this user (the default)")
    place.add_argument(
        "--sys-prefix", action="store_true", help=f"install it into {sys.prefix}, the folder of this Python"
    )
    place.add_argument("--prefix", metavar="FOLDER", help="install it into FOLDER/share/jupyter/kernels")
    commands.add_parser("list", help="show the kernels of joblib-mpi that Jupyter finds")
    removal = commands.add_parser("remove", help="remove a kernel of joblib-mpi")
    removal.add_argument("name", metavar="NAME", help="its name, as list shows it")
    return parser


def _n_workers(text: str) -> int:
    try:
        number = int(text)
        check_n_workers(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1") from None
    return number


def _slurm_options(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be split into words as a shell does: {error}") from None


def _workers(number: int) -> str:
    return "1 worker" if number == 1 else f"{number} workers"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
