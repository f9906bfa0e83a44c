"""Pickling: C pickle for objects that the other side can import, cloudpickle for all others.

Large buffers leave the pickle stream (protocol 5) and are sent from the memory that they are in.
"""

import io
import pickle
import types
from collections.abc import Sequence, Set
from typing import Any

import cloudpickle
import numpy as np

from joblib_mpi.payloads import by_value
from joblib_mpi.payloads.reducers import reduce_decorated, reduce_exception, reduce_generic

#: Smaller buffers stay in the stream, which saves a message for each. Chosen, not measured; as in payload.hpp.
OUT_OF_BAND_BYTES = 64 * 1024

#: The last byte of a pickle.
STOP = b"."

#: The text that cloudpickle, since 3.1.3, puts in place of the name of a function's file.
_NO_FILE = "<dynamic-code>"


class Pickler(cloudpickle.Pickler):
    """Pickles one object after the other, with importable functions and classes by reference and all others by value.

    Functions and classes of ``__main__``, lambdas, closures, and those of modules that were given to
    `cloudpickle.register_pickle_by_value` are pickled by value. Only one thread may use an instance.
    """

    #: The ids of the scattered objects that the last pickle refers to; only a `SharingPickler` finds any.
    needed: Set[int] = frozenset()

    #: Whether the last pickle has functions or classes by value.
    holds_by_value: bool = False

    def __init__(self) -> None:
        self._file = io.BytesIO()
        self._buffers: list[Any] = []
        self._out_of_band_bytes: float = OUT_OF_BAND_BYTES
        self._by_reference: dict[int, Any] = {}
        self._shares = False  # whether the pickle refers to anything; for a `SharingPickler` to set
        super().__init__(self._file, protocol=pickle.HIGHEST_PROTOCOL, buffer_callback=self._keep_in_band)

    def dumps(self, value: Any, *, in_band: bool = False, trailer: bytes = b"") -> tuple[bytes, Sequence[memoryview]]:
        """Return the pickle of ``value`` and the buffers that belong to it.

        Parameters
        ----------
        value : object
            The object to pickle.
        in_band : bool
            Whether all buffers stay in the stream, except for those that a `SharingPickler` shares, so that the pickle
            is all there is to send.
        trailer : bytes
            Bytes to put between the pickle and its last byte; `loads` ignores them.
        """
        self._out_of_band_bytes = float("inf") if in_band else OUT_OF_BAND_BYTES
        self.holds_by_value = False
        self.globals_ref: dict[int, Any] = {}
        if self._shares:
            self._forget_shared()
        try:
            pickle.Pickler.dump(self, value)  # cloudpickle's method only rewords RecursionError
            if self._shares:
                self._file.write(trailer + self._end())
            elif trailer:
                self._file.write(trailer + STOP)
            return self._file.getvalue(), self._buffers
        finally:
            self._file.seek(0)
            self._file.truncate()
            self.clear_memo()  # the memo would keep every argument alive
            if self._buffers:
                self._buffers = []

    def reducer_override(self, value: Any) -> Any:
        """Let cloudpickle decide about functions and classes, once for each that is pickled by reference."""
        kind = type(value)
        if kind is not types.FunctionType and not issubclass(kind, type):
            if kind is types.CodeType:
                return self._reduce_code(value)
            return reduce_exception(value) if issubclass(kind, BaseException) else reduce_decorated(value)
        if id(value) in self._by_reference:
            return NotImplemented
        if kind is types.FunctionType and value.__dict__ and (reduced := reduce_generic(value)) is not NotImplemented:
            return reduced
        reduced = self._reduce_function_or_class(value)
        if reduced is NotImplemented:
            self._by_reference[id(value)] = value
        elif by_value.is_by_value(reduced):
            self.holds_by_value = True
            return by_value.with_exact_state(value, reduced)
        return reduced

    def _reduce_function_or_class(self, value: Any) -> Any:
        return super().reducer_override(value)

    def _reduce_code(self, code: types.CodeType) -> Any:
        # With the name of its file, so that tracebacks show the source lines.
        make, arguments = self.dispatch_table[types.CodeType](code)
        return make, tuple(code.co_filename if argument == _NO_FILE else argument for argument in arguments)

    def _forget_shared(self) -> None:
        raise NotImplementedError

    def _end(self) -> bytes:
        raise NotImplementedError

    def _keep_in_band(self, buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < self._out_of_band_bytes:
            return True
        self._buffers.append(raw)
        return False


class AnswerPickler(Pickler):
    """A pickler for what tasks return and raise, which refers to the script's classes by name."""

    def _reduce_function_or_class(self, value: Any) -> Any:
        reference = by_value.reference_to(value) if isinstance(value, type) else None
        return super()._reduce_function_or_class(value) if reference is None else reference


def is_contiguous(array: np.ndarray) -> bool:
    """Return whether the bytes of an array are contiguous, in C or Fortran order."""
    return array.flags.c_contiguous or array.flags.f_contiguous
