"""The README's own program works as it stands."""

import re
from pathlib import Path

README = Path(__file__).resolve().parents[3] / "README.md"


def test_the_python_program_of_the_readme_runs_and_finds_the_best_parameters(mpirun):
    program = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)[0]
    ended = mpirun.script(4, program, name="search.py")
    assert ended.status == 0, ended
    assert re.fullmatch(r"\{.*'gamma'.*\} 0\.9\d+\n", ended.stdout), ended
