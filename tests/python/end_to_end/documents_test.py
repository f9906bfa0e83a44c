"""The programs of the documents work as they stand."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def programs(document):
    """Return the Python programs that a document shows."""
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), flags=re.DOTALL)


def test_the_python_program_of_the_readme_runs_and_finds_the_best_parameters(mpirun):
    ended = mpirun.script(4, programs("README.md")[0], name="search.py")
    assert ended.status == 0, ended
    assert re.fullmatch(r"\{.*'gamma'.*\} 0\.9\d+\n", ended.stdout), ended


@pytest.mark.parametrize(
    ("number", "printed"),
    [
        (0, r"1000 scores\n"),
        (1, r"best alpha [0-9.]+\n"),
        (2, "".join(rf"{seed * seed % 7}\n" for seed in range(20))),
    ],
    ids=["loky", "dask-mpi", "mpi4py.futures"],
)
def test_a_program_that_came_from_elsewhere_runs(mpirun, number, printed):
    ended = mpirun.script(4, programs("docs/coming-from.md")[number])
    assert ended.status == 0, ended
    assert re.fullmatch(printed, ended.stdout), ended
