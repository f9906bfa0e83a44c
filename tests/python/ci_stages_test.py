"""Tests of .ci/stages.sh with stages that pass, fail, break, and fail only beside other tests."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_hosted_machines_run_every_part_of_nightly():
    nightly = (ROOT / ".ci" / "nightly").read_text()
    parts = re.findall(r"^stage_(\w+)\(\)", nightly, flags=re.MULTILINE)
    listed = re.search(
        r"^ +part:\n((?: +- \w+\n)+)", (ROOT / ".github/workflows/ci.yml").read_text(), flags=re.MULTILINE
    )[1]
    assert sorted(re.findall(r"\w+", listed)) == sorted(parts)
    rows = re.findall(r"^(?:on_bare_systems|long_jobs|others)=\((.*?)\)", nightly, flags=re.MULTILINE)
    assert sorted(" ".join(rows).split()) == sorted(parts)


SCRIPT = """
set -euo pipefail
. .ci/stages.sh

stage_good() { echo good; }
stage_bad() { false; echo "not reached"; }
stage_suite() {
  begin_suites suite
  cp first.xml build/reports/suite.xml
  count_suites suite
}
again_suite() {
  read_again suite
  count_suites suite
}
read_again() {
  local tests=()
  read_failed "$1"
  printf '%s\\n' "${tests[@]}" >ran_again
  cp again.xml build/reports/suite.again.xml
}
# Something else than its tests has failed.
stage_cut() { stage_suite; return 3; }
# A later run has put its report in the place of this one's.
stage_replaced() { stage_suite || true; cp again.xml build/reports/suite.xml; }
again_replaced() { count_suites suite; }

check_stages "$@"
begin_stages
run_stages "$@"
run_again "$@"
summarize "$@"
"""

PASSES = '<s><testcase name="one" classname="m"/><testcase name="two" classname="m"/></s>'
FAILS = (
    '<s><testcase name="one" classname="m"/><testcase name="two" classname="m"><failure>why</failure></testcase></s>'
)
TWO_PASSES = '<s><testcase name="two" classname="m"/></s>'
TWO_FAILS = '<s><testcase name="two" classname="m"><failure>why</failure></testcase></s>'


@pytest.fixture
def run(tmp_path):
    """Run these stages with these reports; return the status and the lines from the summary on."""
    for name in (".ci/stages.sh", "tests/suites.sh", "tests/count_results.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "run.sh").write_text(SCRIPT)

    def run(*stages, first=PASSES, again=TWO_PASSES):
        (tmp_path / "first.xml").write_text(first)
        (tmp_path / "again.xml").write_text(again)
        ended = subprocess.run(["bash", "run.sh", *stages], cwd=tmp_path, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout.splitlines()

    return run


def test_checks_and_suites_that_pass_are_added_up(run):
    status, printed = run("good", "suite")
    assert (status, printed[-2:]) == (0, ["0 flaky", "3 passed, 0 failed"])
    assert "good | good" in printed


def test_a_check_stops_at_its_first_error_and_fails_the_run_and_the_next_stage_runs(run):
    status, printed = run("bad", "good")
    assert (status, printed[-2:]) == (1, ["0 flaky", "1 passed, 1 failed"])
    assert not any("not reached" in line for line in printed)
    assert any(line.startswith("bad ") and line.endswith("failed with status 1") for line in printed)


def test_a_test_that_fails_only_in_the_crowd_is_flaky_and_the_run_passes(run, tmp_path):
    status, printed = run("suite", "good", first=FAILS)
    assert (status, printed[-2:]) == (0, ["1 flaky", "3 passed, 0 failed"])
    assert printed[printed.index("suite | FLAKY m two") + 1] == "suite |     why"
    assert (tmp_path / "ran_again").read_text() == "two\n"


def test_a_test_that_fails_twice_fails_the_run(run):
    status, printed = run("suite", "good", first=FAILS, again=TWO_FAILS)
    assert (status, printed[-2:]) == (1, ["0 flaky", "2 passed, 1 failed"])
    assert printed[printed.index("suite | FAILED m two") + 1] == "suite |     why"


def test_a_suite_that_ends_badly_after_its_tests_have_passed_fails_the_run(run):
    status, printed = run("cut")
    assert (status, printed[-2:]) == (1, ["0 flaky", "2 passed, 1 failed"])


def test_a_second_run_that_knows_of_fewer_tests_saves_none(run):
    status, printed = run("replaced", first=FAILS, again=TWO_PASSES)
    assert (status, printed[-2:]) == (1, ["0 flaky", "1 passed, 1 failed"])
    assert any(line.endswith("; 1 of 2 have no result") for line in printed)


@pytest.mark.parametrize("first", ["", "<s/>", "<s>"])
def test_a_suite_without_a_report_is_not_saved_by_its_second_run(run, first):
    status, printed = run("suite", "good", first=first)
    assert (status, printed[-2:]) == (1, ["0 flaky", "1 passed, 1 failed"])


def test_a_stage_that_does_not_exist_is_refused_with_those_that_do(run):
    status, printed = run("good", "missing")
    assert (status, printed) == (2, [])
