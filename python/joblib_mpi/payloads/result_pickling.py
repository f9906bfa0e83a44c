"""Pickles of results, whose large arrays other programs can read from the spill files."""

import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from joblib_mpi.payloads.pickling import OUT_OF_BAND_BYTES, AnswerPickler, is_contiguous


class Layout(NamedTuple):
    """The array that a buffer holds; without a type the bytes are opaque.

    Parameters
    ----------
    type : str
        The element type, as numpy writes it into its own files.
    shape : tuple of int
        The shape of the array.
    fortran_order : bool
        Whether the first index changes fastest.
    """

    type: str = ""
    shape: tuple[int, ...] = ()
    fortran_order: bool = False


class ResultPickler(AnswerPickler):
    """A pickler for results, which takes all large arrays out of the stream and tells their layouts."""

    def __init__(self) -> None:
        super().__init__()
        self._fortran: set[int] = set()  # addresses

    def reducer_override(self, value: Any) -> Any:
        """Take arrays that numpy would copy into the stream out of it; else do as `AnswerPickler` does."""
        if type(value) is np.memmap and value.nbytes >= OUT_OF_BAND_BYTES:
            # A copy, as the program's host may not have the file; numpy would first copy it into the stream.
            return np.asarray, (np.asarray(value),)
        if type(value) is np.ndarray:
            if value.nbytes < OUT_OF_BAND_BYTES or value.dtype.hasobject or value.dtype.kind in "mM":
                return NotImplemented
            if not is_contiguous(value):
                return np.ascontiguousarray(value).__reduce_ex__(pickle.HIGHEST_PROTOCOL)
            if not value.flags.c_contiguous:
                self._fortran.add(value.__array_interface__["data"][0])
            return NotImplemented
        return super().reducer_override(value)

    def layouts(self, buffers: Sequence[memoryview]) -> list[Layout]:
        """Return the layouts of the buffers of the last pickle."""
        layouts = [self._layout(buffer) for buffer in buffers]
        self._fortran.clear()
        return layouts

    def _layout(self, buffer: memoryview) -> Layout:
        array: Any = buffer.obj
        if type(array) is not np.ndarray:
            return Layout()
        try:
            kind = array.dtype.str if array.dtype.fields is None else str(np.lib.format.dtype_to_descr(array.dtype))
        except ValueError:  # a structured type that has no text
            return Layout()
        # For an array in Fortran order numpy's buffer is the transpose.
        is_fortran = array.__array_interface__["data"][0] in self._fortran
        return Layout(kind, array.shape[::-1] if is_fortran else array.shape, is_fortran)
