"""Tests of the main paths where something is short: files to open, memory, shared memory, room for temporary files.

Results are right, or the error names what is short and what to do.
"""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "build" / "examples" / "cpp" / "example_ridge_cross_validation"
PATHS = ["search", "generators", "arrays", "scattered", "spill", "checkpoint", "nested_calls"]
EXECUTE = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"


def outcomes(mpirun, *arguments, **settings):
    """Go the main paths and return what became of each, by name."""
    pytest.importorskip("sklearn")
    program = mpirun.copy("main_paths.py")
    ended = mpirun(3, "-m", "joblib_mpi", str(program), *arguments, **settings)
    assert ended.status == 0, ended
    lines = dict(line.split(": ", 1) for line in ended.stdout.splitlines())
    assert list(lines) == PATHS, ended
    return lines


def check_example(mpirun, **settings):
    """Run an example in C++, which checks its results."""
    if EXAMPLE.exists():
        ended = mpirun(4, "-c", EXECUTE, str(EXAMPLE), "3000", "60", **settings)
        assert ended.status == 0, ended


ALL_RIGHT = dict.fromkeys(PATHS, "right")


def test_few_files_may_be_open(mpirun):
    within = ["prlimit", "--nofile=256:256"]
    assert outcomes(mpirun, within=within) == ALL_RIGHT
    check_example(mpirun, within=within)


def test_memory_is_limited_by_a_cgroup(mpirun, memory_cgroup):
    within = memory_cgroup(1_000_000_000)
    assert outcomes(mpirun, within=within) == ALL_RIGHT
    check_example(mpirun, within=within)


EVER_NEW_ARRAYS = """
    import numpy as np
    from joblib import Parallel, delayed, parallel_config

    def total(array, k):
        return float(array.sum()) + k

    with parallel_config(backend="mpi"):
        for call in range(30):
            array = np.full(3_000_000, float(call))
            Parallel()(delayed(total)(array, k) for k in range(4))
        own = np.ones(75_000_000)
        print(own.nbytes, Parallel()(delayed(total)(np.full(3_000_000, 1.0), k) for k in range(4)))
    """


def test_arrays_of_earlier_calls_leave_the_memory_to_the_program(mpirun, memory_cgroup):
    ended = mpirun.script(3, EVER_NEW_ARRAYS, within=memory_cgroup(1_200_000_000))
    assert (ended.status, ended.stdout) == (0, "600000000 [3000000.0, 3000001.0, 3000002.0, 3000003.0]\n"), ended


def test_dev_shm_is_small(mpirun):
    # Open MPI's folder there, which the tests name, must be on it.
    folder = "${OMPI_MCA_btl_sm_backing_directory:-/dev/shm}"
    mount = f'mount -t tmpfs -o size=64m tmpfs /dev/shm && mkdir -p "{folder}" && exec "$@"'
    within = ["unshare", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*within, "true"], capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small /dev/shm")
    assert outcomes(mpirun, within=within) == ALL_RIGHT
    check_example(mpirun, within=within)


@pytest.fixture
def small_temporary_folder(mpirun):
    """Return the job's TMPDIR, which is a file system with as much room as Open MPI needs for itself."""
    folder = mpirun.environment["TMPDIR"]
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_the_temporary_folder_is_full(mpirun, small_temporary_folder):
    found = outcomes(mpirun, small_temporary_folder)
    refused = found["checkpoint"]
    assert found == ALL_RIGHT | {"checkpoint": refused}
    assert refused.startswith(f'CheckpointError: "{small_temporary_folder}/run.h5.parts/lock" cannot be written'), found
    assert "No space left on device" in refused, found
