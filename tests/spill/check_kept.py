"""Runs a job that keeps its spilled results and reads them with h5py: ``check_kept.py COMMAND...``.

COMMAND gets a folder and the word "keep" as further arguments. Exits with 77, "skipped", if h5py is missing.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import h5py
    import numpy as np
except ImportError:
    print("no h5py: skipped")
    sys.exit(77)

with tempfile.TemporaryDirectory() as folder:
    subprocess.run([*sys.argv[1:], folder, "keep"], check=True, timeout=50)
    (index,) = Path(folder).glob("joblib-mpi-*/call-1/index.h5")
    with h5py.File(index) as file:
        assert sorted(file["result"], key=int) == [str(task) for task in range(16)]
        for task in range(16):
            array = file[f"result/{task}"]
            assert array.dtype == "f8"
            np.testing.assert_array_equal(array[()], task * 1000.0 + np.arange(100_000))
            assert array.attrs["function"].endswith("row")
            assert array.attrs["task"] == task
            assert array.attrs["rank"] > 0
            assert array.attrs["seconds"] > 0
    left = {path.name for path in index.parents[1].iterdir()}
    assert left == {"call-1"}, left
print("all results are there")
