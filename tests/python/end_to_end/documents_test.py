"""Tests that the programs in the documents work unchanged, and that the targets of references exist."""

import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import joblib_mpi

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{page.name}" for page in ROOT.glob("docs/*.md"))]

# The output of the Python programs of each document, in order.
PRINTED = {
    "README.md": [r"\{.*'gamma'.*\} 0\.9\d+\n"],
    "docs/coming-from.md": [
        r"1000 scores\n",
        r"best alpha [0-9.]+\n",
        "".join(rf"{seed * seed % 7}\n" for seed in range(20)),
    ],
    "docs/data-that-tasks-share.md": [
        r"100 means; 1 array was broadcast\n",
        r"1\.5 3\.0 4\.5 6\.0 7\.5\n",
        r"81\.0\n",
    ],
    "docs/failures.md": [r"\['int', 'int', 'WorkerLostError', 'int'\]\n"],
    "docs/large-results.md": [r"8 tables; writable: True\n"],
    "docs/modules-that-workers-lack.md": [r"\['([^']+)', '\1', '\1'\]\n\[usage\(total=\d+, used=\d+, free=\d+\)\]\n"],
    "docs/python.md": [r"9900\n"],
    "docs/what-tasks-see.md": ["".join(rf"fold {fold} ran on device [123]\n" for fold in range(8))],
    "docs/runs-that-resume.md": [r"best alpha [0-9.]+\n"],
}

#: Names in the architecture document that belong to other projects.
NAMES_OF_OTHERS = {"TreeWidth"}

#: Names that `__init__` uses itself and does not export.
BOUND_BY_THE_IMPORT = {"register"}

#: Statements about what the launcher decides, which the tests of lost ranks take as given.
STATED_WITHOUT_A_TEST = {"L7"}


def programs(document):
    """Return the Python programs that a document shows."""
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), flags=re.DOTALL)


def anchors(document):
    """Return the anchors of a document: its headings in the form that GitHub and the site give them."""
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize(
    ("document", "number"),
    [(document, number) for document, printed in PRINTED.items() for number in range(len(printed))],
)
def test_a_program_of_a_document_runs_and_prints_what_it_should(mpirun, document, number):
    ended = mpirun.script(4, programs(document)[number], name="search.py")
    assert ended.status == 0, ended
    assert re.fullmatch(PRINTED[document][number], ended.stdout), ended


def test_every_program_of_a_document_is_run():
    shown = {document: len(programs(document)) for document in DOCUMENTS if programs(document)}
    assert shown == {document: len(printed) for document, printed in PRINTED.items()}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_links_of_a_document_lead_to_files_and_headings(document):
    path = ROOT / document
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{document}: {link}"
        assert not heading or heading in anchors(target), f"{document}: {link}"


def test_the_tests_that_the_semantics_page_names_are_there():
    text = (ROOT / "docs/semantics.md").read_text()
    rows = re.findall(r"^\| ([A-Z]\d+(?:, [A-Z]\d+)*) \| (.*?) \| `(.*?)` \|$", text, flags=re.MULTILINE)
    for _, name, file in rows:
        assert (ROOT / file).is_file(), file
        assert name in (ROOT / file).read_text(), f"{file}: {name}"
    stated = set(re.findall(r"^- \*\*([A-Z]\d+)\.", text, flags=re.MULTILINE))
    shown = {number for numbers, _, _ in rows for number in numbers.split(", ")}
    assert shown <= stated
    assert stated - shown == STATED_WITHOUT_A_TEST


def test_the_names_in_the_architecture_are_those_of_the_code():
    text = (ROOT / "docs/architecture.md").read_text()
    shown = set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))
    folders = ["include", "src", "python", "mpi_launch", "tests/support"]
    files = [file for folder in folders for file in (ROOT / folder).rglob("*")]
    code = set(
        re.findall(r"\w+", " ".join(file.read_text() for file in files if file.suffix in (".hpp", ".cpp", ".py")))
    )
    paths = {
        name
        for name in shown
        if re.fullmatch(r"(?:src|include|python|mpi_launch|cmake|benchmarks|tests|slurm|\.ci)/[\w./]+", name)
    }
    assert not [path for path in paths if not (ROOT / path).exists()]
    words = {word for name in shown - paths for word in re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", name)}
    assert words - NAMES_OF_OTHERS <= code, words - NAMES_OF_OTHERS - code


def test_the_table_of_settings_is_what_the_sources_say():
    checked = subprocess.run(
        [sys.executable, ROOT / "docs/settings_table.py", "--check"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr


def test_the_public_names_of_the_module_are_those_of_their_page():
    page = (ROOT / "docs/public-names.md").read_text()
    listed = re.search(r"<!-- python: begin -->\n(.*?)<!-- python: end -->", page, flags=re.DOTALL)[1]
    assert set(re.findall(r"^- `(\w+)`$", listed, flags=re.MULTILINE)) == set(joblib_mpi.__all__)
    reference = (ROOT / "docs/reference/python.md").read_text()
    described = re.findall(r"^\.\. auto\w+:: (\w+)$", reference, flags=re.MULTILINE)
    assert sorted(described) == sorted(set(joblib_mpi.__all__) - {"__version__"})
    bound = {
        name
        for name, value in vars(joblib_mpi).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert bound - BOUND_BY_THE_IMPORT <= set(joblib_mpi.__all__) <= bound | {"__version__"}
