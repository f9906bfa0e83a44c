"""A client's connection through a relay, which is made again each time that it is cut."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from joblib_mpi._core import SessionError
from joblib_mpi.serving.relay import Relay
from joblib_mpi.serving.routes import Route

#: The time between two looks at whether the client was closed.
_LOOK_SECONDS = 1.0
_END_SECONDS = 2.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


class ResumableClient(Protocol):
    """The part of `_core.Client` that this module uses."""

    @property
    def is_gone(self) -> bool:
        """True if the job is gone, or was left."""

    def wait_until_cut(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until the connection is cut; return whether another one would help."""

    def resume(self, descriptor: int, patience: float) -> None:
        """Go on over another stream socket."""

    def give_up(self, why: str) -> None:
        """Let the job be gone for that reason."""


class Resumption:
    """Keeps a client in touch with its job: a thread starts the relay again when the connection is cut.

    The thread ends with the client, or when the connection could not be made again within the resume window or the job
    has ended. The client then gives the job up.

    Parameters
    ----------
    client : _core.Client
        The client, which is connected.
    route : Route
        The way to its job.
    relay : Relay
        The relay that it uses.
    window : float
        The time in seconds for which the job keeps the client after a cut.
    patience : float
        The time in seconds that the job may take to answer.
    say : callable
        Takes messages for the user about what goes on; why the client is gone, its calls say.
    start_relay : callable, optional
        Starts a relay.
    """

    def __init__(
        self,
        client: ResumableClient,
        route: Route,
        relay: Relay,
        window: float,
        patience: float,
        say: Callable[[str], None],
        start_relay: Callable[[Route], Relay] = Relay,
    ) -> None:
        self._client = client
        self._route = route
        self._relay = relay
        self._window = window
        self._patience = patience
        self._say = say
        self._start_relay = start_relay
        self._job_has_ended = False
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="joblib-mpi-resumption", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End thread and relay, after the client was closed."""
        self._is_over.set()
        self._thread.join(_END_SECONDS)  # it may be waiting for an answer to its greeting
        self._relay.end()

    def _watch(self) -> None:
        while not self._is_over.is_set() and not self._client.is_gone:
            if self._client.wait_until_cut(_LOOK_SECONDS) and not self._resume():
                return

    def _resume(self) -> bool:
        deadline = time.monotonic() + self._window
        self._relay.end()
        self._say(
            f"the connection with {self._route.target} was cut{_in_brackets(self._relay.last_words)}; it is made again "
            f"within {self._window:g} s, or else the calls that run fail"
        )
        pause = _FIRST_PAUSE_SECONDS
        while not self._is_over.is_set() and not self._client.is_gone:
            reason = self._try(min(self._patience, max(_LOOK_SECONDS, deadline - time.monotonic())))
            if reason is None:
                self._say(f"the connection with {self._route.target} goes on")
                return True
            if self._job_has_ended or time.monotonic() + pause > deadline:
                self._client.give_up(reason)
                break
            self._is_over.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return False

    def _try(self, patience: float) -> str | None:
        """Resume over a new relay; return None, or else why that is impossible."""
        try:
            relay = self._start_relay(self._route)
        except SessionError as error:
            return str(error)
        try:
            self._client.resume(relay.take_descriptor(), patience)
        except (OSError, SessionError) as error:
            reason = relay.why_not(error)
            self._job_has_ended = relay.found_no_job
            return reason
        self._relay = relay
        return None


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""
