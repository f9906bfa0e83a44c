#!/usr/bin/env python3
"""Compiles a file of mistakes and checks that the compiler explains each in one message.

Usage: check_refused.py FILE -- COMPILER [OPTION...]

A line of FILE that ends in `// refused: <text>; <text>` must cause one error, whose message contains these texts. No
other line may cause an error.
"""

import os
import re
import subprocess
import sys
from pathlib import Path


def expected_texts(source: Path) -> dict[int, list[str]]:
    """Return the texts behind `// refused: ` by line number."""
    lines = source.read_text().splitlines()
    found = {number: re.search(r"// refused: (.*)$", line) for number, line in enumerate(lines, 1)}
    return {number: match[1].split("; ") for number, match in found.items() if match}


def messages(output: str) -> list[str]:
    """Return the compiler's messages, each with the lines that say what led to it.

    g++ writes these lines before the error, and clang++ behind it.
    """
    gcc_begins = r"^(?=\S+: In )"
    clang_begins = r"^(?=\S+: (?:fatal )?error: )"
    begins = gcc_begins if re.search(gcc_begins, output, re.MULTILINE) else clang_begins
    return [part for part in re.split(begins, output, flags=re.MULTILINE) if "error: " in part]


def problems(source: Path, output: str) -> list[str]:
    """Return what is wrong with the compiler's output."""
    found: list[str] = []
    parts = messages(output)
    for number, texts in expected_texts(source).items():
        own = [part for part in parts if f"{source.name}:{number}:" in part]
        parts = [part for part in parts if part not in own]
        if len(own) != 1:
            found.append(f"line {number} has {len(own)} messages in place of one")
        found += [f"the message of line {number} lacks {text!r}" for part in own for text in texts if text not in part]
    return found + [f"an error that is not expected:\n{part}" for part in parts]


def main() -> int:
    """Compile, and print what differs from what is expected."""
    source = Path(sys.argv[1])
    command = [*sys.argv[sys.argv.index("--") + 1 :], str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    found = problems(source, result.stderr)
    for problem in found:
        print(problem)
    if found:
        print(f"the compiler's output was:\n{result.stderr}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
