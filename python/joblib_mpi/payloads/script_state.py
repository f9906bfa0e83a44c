"""Changes that a script has made in its process since the session started, as bytes that tasks carry to executors."""

import pickle
import threading
from collections.abc import Mapping
from typing import Any

from joblib_mpi.payloads.pickling import Pickler
from joblib_mpi.payloads.reloaded_modules import ReloadWatch
from joblib_mpi.payloads.script_facts import FACTS, Fact

#: The name of the entry beside those of the facts: the numbers of modules that were loaded again.
RELOADS = "reloaded modules"


class ScriptState:
    """Finds what a script changes in its process, from the construction of this object on.

    Parameters
    ----------
    facts : mapping of str to Fact, optional
        The facts to look at.
    start : mapping of str to bytes, optional
        What the workers started with, as `start_of_rank_0` has returned it on rank 0, if this process is a client.
        Without it the workers started as this process did.
    """

    def __init__(self, facts: Mapping[str, Fact] = FACTS, start: Mapping[str, bytes] | None = None) -> None:
        self._facts = facts
        self._lock = threading.Lock()
        self._start = self._read()
        if start is not None:
            self._start = [_unpickled(start.get(name), own) for name, own in zip(facts, self._start, strict=True)]
        self._reloads = ReloadWatch()
        self._last: tuple[Any, dict[str, int]] = (self._start, {})
        self._packed = b""

    def packed(self) -> bytes:
        """Return what is different from the start, for `ScriptFollower.follow`; empty if nothing is.

        Equal states have equal bytes, which are made once for each change.
        """
        with self._lock:
            state = self._read(), self._reloads.generations()
            if state != self._last:
                self._packed = self._pack(*state)
                self._last = state
            return self._packed

    def start_of_rank_0(self) -> dict[str, bytes]:
        """Return the facts as this object has found them at first, by name; those without a pickle are left out."""
        pickles = zip(self._facts, map(_pickled, self._start), strict=True)
        return {name: pickled for name, pickled in pickles if pickled is not None}

    def _read(self) -> list[Any]:
        return [fact.read() for fact in self._facts.values()]

    def _pack(self, now: list[Any], reloads: Mapping[str, int]) -> bytes:
        changes: dict[str, Any] = {RELOADS: reloads} if reloads else {}
        for (name, fact), before, value in zip(self._facts.items(), self._start, now, strict=True):
            if value != before and (sent := _pickled(fact.pack(before, value))) is not None:
                changes[name] = sent
        return pickle.dumps(changes, pickle.HIGHEST_PROTOCOL) if changes else b""


def _pickled(value: Any) -> bytes | None:
    # Each fact by itself, because an executor may lack the module that one of them needs.
    try:
        return Pickler().dumps(value, in_band=True)[0]
    except Exception:  # the executors keep their own
        return None


def _unpickled(pickled: bytes | None, otherwise: Any) -> Any:
    try:
        return otherwise if pickled is None else pickle.loads(pickled)
    except Exception:  # this process lacks a module that rank 0 has
        return otherwise
