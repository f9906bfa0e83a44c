"""Objects to bytes and back: C pickle for what the other side can import, cloudpickle for the rest.

Large buffers leave the pickle stream (protocol 5) and are sent from where they are.
"""

import io
import pickle
import types
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import cloudpickle

#: Smaller buffers stay in the stream, to spare a message of their own. Chosen, not measured; as in payload.hpp.
OUT_OF_BAND_BYTES = 64 * 1024

#: The last byte of a pickle that refers to scattered objects; `pickle.loads` reads no further than the pickle's end.
_SHARES_OBJECTS = b"S"
_SHARES_NOTHING = b"."


class Pickler(cloudpickle.Pickler):
    """Pickles one object after the other; importable functions and classes by reference, others by value.

    What is defined in ``__main__``, lambdas, closures and modules given to `cloudpickle.register_pickle_by_value`
    go by value. Only one thread may use an instance.
    """

    #: The scattered objects that the last pickle refers to; only a `SharingPickler` finds any.
    needed: Set[int] = frozenset()

    def __init__(self) -> None:
        self._file = io.BytesIO()
        self._buffers: list[memoryview] = []
        self._out_of_band_bytes: float = OUT_OF_BAND_BYTES
        self._by_reference: dict[int, Any] = {}
        super().__init__(self._file, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=self._keep_in_band)

    def dumps(self, value: Any, *, in_band: bool = False, trailer: bytes = b"") -> tuple[bytes, Sequence[memoryview]]:
        """Return the pickle of ``value`` and the buffers that belong to it.

        Parameters
        ----------
        value : object
            What to pickle.
        in_band : bool
            Keep all buffers in the stream, so that what is loaded owns its memory and may be written to.
        trailer : bytes
            Comes between the pickle and its last byte, for `loads` to ignore.
        """
        self._out_of_band_bytes = float("inf") if in_band else OUT_OF_BAND_BYTES
        self.globals_ref: dict[int, Any] = {}
        try:
            pickle.Pickler.dump(self, value)  # cloudpickle's own only rewords RecursionError
            if trailer or self.needed:
                self._file.write(trailer + (_SHARES_OBJECTS if self.needed else _SHARES_NOTHING))
            return self._file.getvalue(), self._buffers
        finally:
            self._file.seek(0)
            self._file.truncate()
            self.clear_memo()  # the memo would keep every argument alive
            if self._buffers:
                self._buffers = []

    def reducer_override(self, value: Any) -> Any:
        """Let cloudpickle decide about functions and classes, once for each that goes by reference."""
        kind = type(value)
        if kind is not types.FunctionType and not issubclass(kind, type):
            return NotImplemented
        if id(value) in self._by_reference:
            return NotImplemented
        reduced = super().reducer_override(value)
        if reduced is NotImplemented:
            self._by_reference[id(value)] = value
        return reduced

    def _keep_in_band(self, buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < self._out_of_band_bytes:
            return True
        self._buffers.append(raw)
        return False


class SharingPickler(Pickler):
    """A pickler that writes the object id in place of each scattered object, wherever it finds one.

    Parameters
    ----------
    shared : mapping of int to int
        ``id(object)`` to object id. The owner keeps the objects alive.
    """

    def __init__(self, shared: Mapping[int, int]) -> None:
        super().__init__()
        self._shared = shared
        self.needed: set[int] = set()

    def dumps(self, value: Any, *, in_band: bool = False, trailer: bytes = b"") -> tuple[bytes, Sequence[memoryview]]:
        """As `Pickler.dumps`; afterwards ``needed`` holds the ids of the objects that the stream refers to."""
        self.needed = set()
        return super().dumps(value, in_band=in_band, trailer=trailer)

    def persistent_id(self, value: Any) -> int | None:
        """Return the object id of a scattered object."""
        object_id = self._shared.get(id(value))
        if object_id is not None:
            self.needed.add(object_id)
        return object_id


class _SharingUnpickler(pickle.Unpickler):
    def __init__(self, head: bytes, buffers: Sequence[Any], resolve: Callable[[int], Any]) -> None:
        super().__init__(io.BytesIO(head), buffers=buffers)
        self._resolve = resolve

    def persistent_load(self, object_id: int) -> Any:
        return self._resolve(object_id)


def loads(head: bytes, buffers: Sequence[Any], resolve: Callable[[int], Any]) -> Any:
    """Return the object that ``head`` and ``buffers`` were made from; ``resolve`` answers for scattered objects."""
    if head.endswith(_SHARES_OBJECTS):
        return _SharingUnpickler(head, buffers, resolve).load()
    return pickle.loads(head, buffers=buffers)
