"""Pickles of results, of which other programs may read the large arrays."""

import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from joblib_mpi.payloads.pickling import OUT_OF_BAND_BYTES, Pickler, is_contiguous


class Layout(NamedTuple):
    """How the bytes of a buffer are an array's; without a type they are opaque.

    Parameters
    ----------
    type : str
        As numpy writes it into its own files.
    shape : tuple of int
        The array's.
    fortran_order : bool
        Whether the first index runs fastest.
    """

    type: str = ""
    shape: tuple[int, ...] = ()
    fortran_order: bool = False


class ResultPickler(Pickler):
    """A pickler for results: all large arrays leave the stream, and it says how they are to be read."""

    def __init__(self) -> None:
        super().__init__()
        self._fortran: set[int] = set()  # addresses

    def reducer_override(self, value: Any) -> Any:
        """As `Pickler.reducer_override`, and for arrays that numpy would copy into the stream."""
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
        """Return the layouts of the last pickle's buffers."""
        layouts = [self._layout(buffer) for buffer in buffers]
        self._fortran.clear()
        return layouts

    def _layout(self, buffer: memoryview) -> Layout:
        array: Any = buffer.obj
        if type(array) is not np.ndarray:
            return Layout()
        try:
            kind = array.dtype.str if array.dtype.fields is None else str(np.lib.format.dtype_to_descr(array.dtype))
        except ValueError:  # a structure that its text does not tell
            return Layout()
        # numpy hands out the transpose of an array in Fortran order.
        is_fortran = array.__array_interface__["data"][0] in self._fortran
        return Layout(kind, array.shape[::-1] if is_fortran else array.shape, is_fortran)
