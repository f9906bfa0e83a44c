"""Tests of tests/count_results.py with the reports of a suite and of the second run of its failed tests."""

import re
import subprocess
import sys
import textwrap

import count_results
import pytest

CTEST = """
    <testsuite name="Linux-c++">
      <testcase name="unit.good" classname="unit.good" time="0.5" status="run"/>
      <testcase name="unit.a (rare) one" classname="unit.a (rare) one" time="2" status="fail">
        <failure message=""/><system-out>first words</system-out>
      </testcase>
      <testcase name="unit.bad" classname="unit.bad" time="1" status="fail"><failure message=""/></testcase>
      <testcase name="mpi.lost" classname="mpi.lost" status="notrun">
        <skipped message="Unable to find executable"/>
      </testcase>
      <testcase name="mpi.skipped" classname="mpi.skipped" status="notrun">
        <skipped message="SKIP_RETURN_CODE=77"/>
      </testcase>
    </testsuite>
"""

AGAIN = """
    <testsuite name="Linux-c++">
      <testcase name="unit.a (rare) one" classname="unit.a (rare) one" time="0.2" status="run"/>
      <testcase name="unit.bad" classname="unit.bad" time="1" status="fail"><failure message=""/></testcase>
    </testsuite>
"""


@pytest.fixture
def report(tmp_path):
    """Write a report and return its path."""

    def write(text, name="suite.xml"):
        (tmp_path / name).write_text(textwrap.dedent(text))
        return str(tmp_path / name)

    return write


def lines(capsys, *arguments):
    """Return the status and the lines that `count_results.py *arguments` prints."""
    status = count_results.main([*arguments])
    return status, capsys.readouterr().out.splitlines()


def test_failures_skips_and_programs_that_could_not_start_are_told_apart(report, capsys):
    status, printed = lines(capsys, report(CTEST))
    assert (status, printed[-2:]) == (1, ["0 flaky", "1 passed, 3 failed"])
    assert [line for line in printed if line.startswith("FAILED")] == [
        "FAILED unit.a (rare) one",
        "FAILED unit.bad",
        "FAILED mpi.lost",
    ]


def test_what_passes_when_it_runs_again_is_flaky_with_the_first_output_and_all_else_stays_failed(report, capsys):
    suite = report(CTEST)
    report(AGAIN, "suite.again.xml")
    status, printed = lines(capsys, suite)
    assert (status, printed[-2:]) == (1, ["1 flaky", "2 passed, 2 failed"])
    assert printed[:2] == ["FLAKY unit.a (rare) one", "    first words"]
    assert "FAILED unit.bad" in printed
    assert "FAILED mpi.lost" in printed


def test_a_suite_whose_only_failure_is_flaky_passes(report, capsys):
    suite = report('<s><testcase name="one" classname="m"><error>gone</error></testcase></s>')
    report('<s><testcase name="one" classname="m"/></s>', "suite.again.xml")
    assert lines(capsys, suite) == (0, ["FLAKY m one", "    gone", "1 flaky", "1 passed, 0 failed"])


@pytest.mark.parametrize(
    "again",
    [
        "",
        "<s>",
        "<s/>",
        '<s><testcase name="other" classname="m"/></s>',
        '<s><testcase name="one" classname="m"><skipped/></testcase></s>',
        '<s><testcase name="one" classname="m"/><testcase name="one" classname="m"><error/></testcase></s>',
    ],
    ids=["empty", "damaged", "no test", "another test", "skipped", "its end failed"],
)
def test_a_second_run_that_does_not_show_the_test_passing_changes_nothing(report, capsys, again):
    suite = report('<s><testcase name="one" classname="m"><failure/></testcase></s>')
    report(again, "suite.again.xml")
    status, printed = lines(capsys, suite)
    assert (status, printed[-2:]) == (1, ["0 flaky", "0 passed, 1 failed"])


@pytest.mark.parametrize("text", [None, "", "<s>", "<s/>", '<s><testcase name="a"><skipped/></testcase></s>'])
def test_a_report_that_is_missing_damaged_or_without_tests_is_a_failure(report, tmp_path, capsys, text):
    suite = report(text) if text is not None else str(tmp_path / "missing")
    status, printed = lines(capsys, suite)
    assert (status, printed[-2:]) == (1, ["0 flaky", "0 passed, 1 failed"])


def test_ctest_gets_an_expression_that_selects_the_failed_tests_and_no_other(report, capsys):
    _, words = lines(capsys, "--failed", report(CTEST))
    assert words == [r"unit\.a \(rare\) one", r"unit\.bad", r"mpi\.lost"]
    assert re.fullmatch(words[0], "unit.a (rare) one")


def test_pytest_runs_just_what_failed_again(tmp_path):
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "some_test.py").write_text(
        textwrap.dedent(
            """
            import pathlib, pytest
            def note(text):
                with open("ran", "a") as file:
                    file.write(text + "|")
            @pytest.mark.parametrize("text", ["a b", "[::x]"])
            def test_one(text):
                note(text)
                assert text == "a b" or pathlib.Path("again").exists()
            class TestClass:
                def test_method(self):
                    note("method")
                    assert pathlib.Path("again").exists()
            """
        )
    )
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "junit_family=xunit1"]

    def run(*arguments):
        subprocess.run([*pytest_command, *arguments], cwd=tmp_path, capture_output=True, check=False)
        ran = (tmp_path / "ran").read_text()
        (tmp_path / "ran").unlink()
        return ran

    assert run("--rootdir=.", "--junitxml=suite.xml", "tests") == "a b|[::x]|method|"
    words = count_results.failed_tests(tmp_path / "suite.xml")
    assert words == ["tests/some_test.py::test_one[[::x]]", "tests/some_test.py::TestClass::test_method"]
    (tmp_path / "again").touch()
    assert run("--rootdir=.", "--junitxml=suite.again.xml", *words) == "[::x]|method|"
    assert count_results.count(tmp_path / "suite.xml") == (3, 0, 2)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f'<testcase name="t{number}" classname="t"><failure/></testcase>' for number in range(11)),
        '<testcase name="tests.some_test" classname="" file="tests/some_test.py"><error/></testcase>',
    ],
    ids=["so many that it is no rare event", "a file that pytest could not read"],
)
def test_what_cannot_be_a_rare_failure_is_not_run_again(report, capsys, text):
    assert lines(capsys, "--failed", report(f"<s>{text}</s>")) == (0, [])


def test_the_slowest_tests_of_several_reports_are_a_table(report, capsys):
    other = report('<s><testcase name="slow" classname="m" time="9.96"/></s>', "other.xml")
    _, printed = lines(capsys, "--slowest", "2", report(CTEST), other)
    assert printed == [
        "| seconds | suite | test |",
        "| ---: | --- | --- |",
        "| 10.0 | other | m slow |",
        "| 2.0 | suite | unit.a (rare) one |",
    ]
