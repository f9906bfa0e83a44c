"""Adds up JUnit reports of ctest and pytest and prints ``N passed, N failed`` as the last line.

    count_results.py REPORT...               NAME also stands for NAME.xml
    count_results.py --failed REPORT         the failed tests, one per line, in the notation of their runner
    count_results.py --slowest N REPORT...   a table of the N slowest tests, in Markdown

Each failed test is printed with the end of its output. A test that failed in NAME.xml and passed in NAME.again.xml, the
report of the second run of the failed tests, counts as passed; it is printed as flaky with the output of the failure,
and the line before the last gives the number of flaky tests.

A report that is missing, unreadable or without a test that ran counts as one failure, and so does a test that its
runner could not start: a missing result is never a success. The exit status is 1 if anything failed.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

#: The number of lines that are printed of each text of a failure.
LINES = 40

#: The largest number of failed tests of a suite that are run again: more are no rare event.
MOST_AGAIN = 10


def outcome(case):
    """Return "passed", "failed" or "skipped" for one <testcase>."""
    if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
        return "failed"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    # ctest calls a test "notrun" both if it asked to be skipped and if its program is missing.
    if case.get("status") == "notrun" and "SKIP_" not in skipped.get("message", ""):
        return "failed"
    return "skipped"


def last_words(case):
    """Return the last lines of the runner's message about a failed <testcase> and of the test's output."""
    texts = [part.text or "" for part in case if part.tag in ("failure", "error", "system-out", "system-err")]
    return [line for text in texts for line in text.rstrip().splitlines()[-LINES:]]


def name(case):
    """Return a test's name, which is unique in its report; ctest uses it as the class, too."""
    return " ".join(dict.fromkeys([case.get("classname", ""), case.get("name", "")]))


def read(report):
    """Return the <testcase> elements of the JUnit file `report`."""
    return list(ElementTree.parse(report).getroot().iter("testcase"))


def path_of(report):
    """Return the path of `report`, which is given with or without its suffix."""
    return Path(report if report.endswith(".xml") else f"{report}.xml")


def passed_again(report):
    """Return the names of the tests that failed in the JUnit file `report` and passed in the second run."""
    again = report.with_suffix(".again.xml")
    if not again.exists():
        return set()
    try:
        cases = read(again)
    except ElementTree.ParseError as error:
        print(f"{again}: {error}")
        return set()
    # A test whose teardown failed appears twice.
    outcomes = {name(case): {outcome(other) for other in cases if name(other) == name(case)} for case in cases}
    return {test for test, found in outcomes.items() if found == {"passed"}}


def count(report):
    """Return the numbers of passed, failed and flaky tests of the JUnit file `report`, and print each failure."""
    try:
        cases = read(report)
    except (OSError, ElementTree.ParseError) as error:
        print(f"FAILED {report}: {error}")
        return 0, 1, 0
    again = passed_again(report)
    verdicts = {}
    for case in cases:
        verdict = outcome(case)
        if verdict == "failed":
            verdict = "flaky" if name(case) in again else "failed"
            print("FLAKY" if verdict == "flaky" else "FAILED", name(case))
            print(*(f"    {line}" for line in last_words(case)), sep="\n")
        if verdicts.get(name(case)) not in ("flaky", "failed"):
            verdicts[name(case)] = verdict
    numbers = [list(verdicts.values()).count(verdict) for verdict in ("passed", "failed", "flaky")]
    passed, failed, flaky = numbers
    if passed + failed + flaky == 0:
        print(f"FAILED {report}: no test ran")
        failed = 1
    return passed + flaky, failed, flaky


def words_to_run(case):
    """Return a regular expression for ctest, or an id for pytest, that selects just this test, or None."""
    test = case.get("name", "")
    if case.get("file") is None:  # of ctest
        return re.sub(r"([][+*?().^$|\\])", r"\\\1", test)
    module = case.get("file").removesuffix(".py").replace("/", ".")
    if not case.get("classname", "").startswith(module):  # a file that pytest could not read
        return None
    classes = case.get("classname").removeprefix(module).split(".")[1:]
    return "::".join([case.get("file"), *classes, test])


def failed_tests(report):
    """Return the failed tests of `report` in their runner's notation; none if too many, or if one cannot be named."""
    try:
        failed = [case for case in read(report) if outcome(case) == "failed"]
    except (OSError, ElementTree.ParseError):
        return []
    words = list(dict.fromkeys(words_to_run(case) for case in failed))
    return [] if None in words or len(words) > MOST_AGAIN else words


def slowest(number, reports):
    """Return a Markdown table of the `number` tests of the JUnit files `reports` that took longest."""
    cases = [(float(case.get("time", 0)), report.stem, name(case)) for report in reports for case in read(report)]
    rows = sorted(cases, reverse=True)[:number]
    table = [f"| {seconds:.1f} | {suite} | {test.replace('|', '&#124;')} |" for seconds, suite, test in rows]
    return "\n".join(["| seconds | suite | test |", "| ---: | --- | --- |", *table])


def main(arguments):
    """Carry out the command line and return the exit status."""
    if arguments[0] == "--failed":
        for words in failed_tests(path_of(arguments[1])):
            print(words)
        return 0
    if arguments[0] == "--slowest":
        print(slowest(int(arguments[1]), [path_of(report) for report in arguments[2:]]))
        return 0
    counts = [count(path_of(report)) for report in arguments]
    passed, failed, flaky = (sum(column) for column in zip(*counts, strict=True))
    print(f"{flaky} flaky")
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
