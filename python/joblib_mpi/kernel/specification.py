"""The kernelspec of a kernel whose ranks start with it."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

MODULE = "joblib_mpi.kernel"

#: The variables by which a shell, often through ``module load``, finds MPI: programs, libraries, and where it lies.
_PLACES = frozenset({"PATH", "LD_LIBRARY_PATH", "OPAL_PREFIX", "SLURM_CONF", "SLURM_MPI_TYPE"})
#: The beginnings of settings of MPI and of this package.
_SETTINGS = ("JOBLIB_MPI_", "OMPI_MCA_", "OMPI_ALLOW_", "PMIX_MCA_", "PRTE_MCA_", "PRTE_ALLOW_", "UCX_")


def specification(
    display_name: str,
    n_workers: int | None,
    environment: Mapping[str, str],
    python: str = sys.executable,
    slurm_options: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return the content of the file ``kernel.json``.

    Parameters
    ----------
    display_name : str
        The name that Jupyter shows.
    n_workers : int or None
        The number of workers, as for `joblib_mpi.cluster`.
    environment : mapping of str to str
        The environment of a shell in which ranks can be started. The kernel gets of it what finds and sets up MPI,
        because Jupyter may have been started without it.
    python : str, optional
        The interpreter of the kernel.
    slurm_options : sequence of str, optional
        The options of salloc, which allocates nodes for the ranks; by default they run where the kernel does.
    """
    workers = [] if n_workers is None else ["-n", str(n_workers)]
    if slurm_options is not None:
        workers.append(f"--slurm={shlex.join(slurm_options)}")
    return {
        # With -P, a file of the notebook's folder takes no module's place; IPython then adds that folder. The other
        # option is ipykernel's own, for its debugger.
        "argv": [python, "-P", "-Xfrozen_modules=off", "-m", MODULE, *workers, "-f", "{connection_file}"],
        "display_name": display_name,
        "language": "python",
        "metadata": {"debugger": True},
        "env": kept_environment(environment),
    }


def kept_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that find and set up MPI, as a kernelspec has them: a ``$`` in a value is doubled."""
    return {
        name: value.replace("$", "$$")
        for name, value in environment.items()
        if name in _PLACES or name.startswith(_SETTINGS)
    }


def is_ours(argv: list[str]) -> bool:
    """Return whether a kernelspec with this command line is one of these."""
    return any(pair == ("-m", MODULE) for pair in pairwise(argv))
