"""Tests that a process that is no rank does without MPI: it loads neither MPI nor what calls it."""

import subprocess
import sys

import pytest

from joblib_mpi import _core

if getattr(_core, "is_double", False):
    pytest.skip("joblib_mpi._core is not built", allow_module_level=True)

USES_THE_PACKAGE = """
import pathlib
import sys

import joblib
import joblib_mpi

journal = joblib_mpi._core.Journal(sys.argv[1], "identity")
journal.finish()
assert joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(x) for x in (-1, -2)) == [1, 2]
loaded = {pathlib.Path(line.split()[-1]).name for line in open("/proc/self/maps") if ".so" in line}
print(*sorted(loaded))
"""


def test_a_rank_that_cannot_load_mpi_says_which_rank_it_is_and_what_to_do():
    without = "import sys, joblib_mpi; sys.modules['joblib_mpi._mpi'] = None; joblib_mpi.init()"
    program = subprocess.run([sys.executable, "-c", without], stderr=subprocess.PIPE, text=True, timeout=120)
    assert program.returncode == 1
    assert "This is rank ? on " in program.stderr
    assert "install joblib-mpi and its libraries on every node" in program.stderr


def test_the_package_is_used_without_loading_mpi(tmp_path):
    printed = subprocess.run(
        [sys.executable, "-c", USES_THE_PACKAGE, tmp_path / "results.h5"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    ).stdout
    loaded = printed.split()
    assert any(name.startswith("_core.") for name in loaded)
    assert not [name for name in loaded if name.startswith(("_mpi.", "libmpi", "libopen-", "libpmix", "libboost_mpi"))]
