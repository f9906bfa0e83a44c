"""A plain IPython kernel, as whose client's job ranks start at once.

usage: python -m joblib_mpi.kernel [-n N] [--slurm OPTIONS] -f CONNECTION_FILE [option of ipykernel ...]

``joblib-mpi kernel install`` writes this command line into a kernelspec.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from joblib_mpi.joining import check_n_workers, start_ahead


def main(argv: Sequence[str]) -> None:
    """Run the kernel with the command line ``argv`` until it is shut down."""
    parser = argparse.ArgumentParser(prog="python -m joblib_mpi.kernel", add_help=False, allow_abbrev=False)
    parser.add_argument("-n", type=int)
    parser.add_argument("--slurm", type=shlex.split)
    options, for_ipykernel = parser.parse_known_args(argv)
    n_workers = check_n_workers(options.n)

    from ipykernel.kernelapp import IPKernelApp

    kernel: Any = IPKernelApp.instance()
    kernel.initialize(for_ipykernel)
    # From here on, what the ranks inherit as stdout and stderr leads to the cells.
    start_ahead(n_workers, options.slurm)
    kernel.start()


if __name__ == "__main__":
    main(sys.argv[1:])
