"""Adds up JUnit reports of ctest and pytest and prints ``N passed, N failed`` as the last line.

Before it comes each test that failed with the end of what it printed.

A report that is missing, unreadable or without a test that ran counts as one failure, and so does a test that its
runner could not start: silence is never a success. The exit status is 1 if anything failed.
"""

import sys
import xml.etree.ElementTree as ElementTree

#: How much is printed of each text that comes with a failure.
LINES = 40


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
    """Return the last lines of what the runner says of a failed <testcase> and of what the test printed."""
    texts = [part.text or "" for part in case if part.tag in ("failure", "error", "system-out", "system-err")]
    return [line for text in texts for line in text.rstrip().splitlines()[-LINES:]]


def count(report):
    """Return the numbers of passed and failed tests of the JUnit file `report`, printing what failed and how."""
    try:
        cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        print(f"FAILED {report}: {error}")
        return 0, 1
    outcomes = [outcome(case) for case in cases]
    for case, result in zip(cases, outcomes, strict=False):
        if result == "failed":
            print("FAILED", *dict.fromkeys([case.get("classname", ""), case.get("name", "")]))
            print(*(f"    {line}" for line in last_words(case)), sep="\n")
    passed, failed = outcomes.count("passed"), outcomes.count("failed")
    if passed + failed == 0:
        print(f"FAILED {report}: no test ran")
        failed = 1
    return passed, failed


if __name__ == "__main__":
    counts = [count(report) for report in sys.argv[1:]]
    passed, failed = (sum(column) for column in zip(*counts, strict=False))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)
