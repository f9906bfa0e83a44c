"""An executor's side of `ScriptState`: sets here what the script has changed in its process."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from joblib_mpi.payloads.reloaded_modules import follow_reloads
from joblib_mpi.payloads.script_facts import FACTS, Fact
from joblib_mpi.payloads.script_state import RELOADS


class ScriptFollower:
    """Sets in an executor what the script has changed in its process; a fact that the script restores is restored here.

    Parameters
    ----------
    say : callable, optional
        Takes a line for the user about a fact that cannot be set here; called once for each such line.
    forget_functions : callable, optional
        Called after modules were reloaded, because functions that are kept may be those of before.
    facts : mapping of str to Fact, optional
        The facts to set.
    """

    def __init__(
        self,
        say: Callable[[str], None] = lambda line: None,
        forget_functions: Callable[[], None] = lambda: None,
        facts: Mapping[str, Fact] = FACTS,
    ) -> None:
        self._facts = facts
        self._own = {name: fact.read() for name, fact in facts.items()}
        self._set = dict(self._own)
        self._generations: dict[str, int] = {}
        self._say = say
        self._said: set[str] = set()
        self._forget_functions = forget_functions

    def follow(self, packed: bytes) -> None:
        """Set what `ScriptState.packed` has returned."""
        changes: dict[str, Any] = pickle.loads(packed) if packed else {}
        for name, fact in self._facts.items():
            own = value = self._own[name]
            with self._said_if_impossible(name):
                if name in changes:
                    value = fact.unpack(pickle.loads(changes[name]), own)
                if value != self._set[name]:
                    fact.write(self._set[name], value)
            self._set[name] = value  # where it is impossible, too: the next task would find it so again
        reloads = changes.get(RELOADS, {})
        if reloads != self._generations:
            for name, error in follow_reloads(reloads, self._generations):
                self._say_once(f'cannot reload the module "{name}": {type(error).__name__}: {error}')
            self._generations = reloads
            self._forget_functions()

    @contextmanager
    def _said_if_impossible(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._say_once(f"keeps its own {name}: {type(error).__name__}: {error}")

    def _say_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)
