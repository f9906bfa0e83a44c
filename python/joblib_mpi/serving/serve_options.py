"""The options that follow ``--serve``."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from joblib_mpi.serving import addresses
from joblib_mpi.serving.addresses import Address


class ServeOptions(NamedTuple):
    """The options of a job that serves clients.

    Parameters
    ----------
    idle_timeout : float or None
        The time in seconds after which the job ends if it has no client; None or 0 for never.
    listen : Address or None
        The address at which clients on other hosts are let in.
    """

    idle_timeout: float | None = None
    listen: Address | None = None


def parse(words: Sequence[str]) -> ServeOptions:
    """Return the options that ``words`` write; raises ValueError if they are wrong."""
    options = ServeOptions()
    left = list(words)
    while left:
        option, joined, value = left.pop(0).partition("=")
        if option not in ("--idle-timeout", "--listen"):
            raise ValueError(
                f"--serve takes no program, and only the options --idle-timeout and --listen, but {option!r} follows it"
            )
        if not joined:
            if not left:
                raise ValueError(f"{option} needs a value")
            value = left.pop(0)
        options = _updated(options, option, value)
    return options


def _updated(options: ServeOptions, option: str, value: str) -> ServeOptions:
    if option == "--listen":
        try:
            return options._replace(listen=addresses.parse(value))
        except ValueError as error:
            raise ValueError(f"--listen {error}") from None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"--idle-timeout {value!r}; allowed: seconds from 0, where 0 means never")
    return options._replace(idle_timeout=seconds)
