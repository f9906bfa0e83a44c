"""The functions that the checks of ``joblib-mpi doctor`` share."""

import json
import subprocess
from pathlib import Path
from typing import Any


class DoctorRun:
    """A run of the command, with its JSON report if it has written one.

    Parameters
    ----------
    program : str
        The command.
    arguments : str
        The arguments after "doctor".
    environment : dict, optional
        The environment, by default that of this process.
    """

    def __init__(self, program: str, *arguments: str, environment: dict[str, str] | None = None) -> None:
        command = [program, "doctor", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)
        self.status = ended.returncode
        self.output = ended.stdout
        self.errors = ended.stderr
        print(" ".join(command), f"ended with status {self.status}", self.output, self.errors, sep="\n", flush=True)
        self.json: dict[str, Any] = {}
        if "--json" in arguments:
            where = arguments[arguments.index("--json") + 1]
            text = self.output if where == "-" else Path(where).read_text(encoding="utf-8")
            self.json = json.loads(text)

    def problem(self, *words: str) -> dict[str, str]:
        """Return the problem that contains all ``words``; fail if there is none."""
        for problem in self.json["problems"]:
            if all(word in problem["what"] for word in words):
                return problem
        raise AssertionError(f"no problem says {words}, but {self.json['problems']}")


def write_program(path: Path, text: str) -> str:
    """Write a shell script, and return its path."""
    path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)
