"""Tests that every public name says what it is where `help` looks for it."""

import inspect

import pytest

import joblib_mpi
from joblib_mpi import _core

NAMES = [name for name in joblib_mpi.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_has_a_docstring(name):
    value = getattr(joblib_mpi, name)
    if getattr(_core, "is_double", False) and value.__module__ == "joblib_mpi._core":
        pytest.skip("joblib_mpi._core is not built")
    documentation = vars(value)["__doc__"] if inspect.isclass(value) else value.__doc__
    assert documentation, f"{name} has none, or only that of its base class"
    assert documentation.split("\n")[0].endswith(".")
