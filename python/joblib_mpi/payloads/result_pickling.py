"""Pickles of results, whose large arrays other programs can read from the spill files."""

import pickle
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from joblib_mpi.payloads.pickling import OUT_OF_BAND_BYTES, Pickler, is_contiguous
from joblib_mpi.payloads.program_classes import reference_to


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


class ResultPickler(Pickler):
    """A pickler for results, which takes all large arrays out of the stream and tells their layouts.

    Classes of the program, and so the classes of their instances, are those of rank 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self._fortran: set[int] = set()  # addresses

    def reducer_override(self, value: Any) -> Any:
        """Take arrays out of the stream, and refer to classes of rank 0; else do as `Pickler.reducer_override`."""
        if type(value) is np.ndarray:
            if value.nbytes < OUT_OF_BAND_BYTES or value.dtype.hasobject or value.dtype.kind in "mM":
                return NotImplemented
            if not is_contiguous(value):
                return np.ascontiguousarray(value).__reduce_ex__(pickle.HIGHEST_PROTOCOL)
            if not value.flags.c_contiguous:
                self._fortran.add(value.__array_interface__["data"][0])
            return NotImplemented
        if isinstance(value, type) and (reduced := reference_to(value)) is not NotImplemented:
            return reduced
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
