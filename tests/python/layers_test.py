"""Tests that folders of the package import downward only, so that each can be read and tested without higher ones."""

import ast
from pathlib import Path

import pytest

import joblib_mpi

PACKAGE = Path(joblib_mpi.__file__).parent

#: The folders, and files beside them, that each folder may import.
ALLOWED = {
    "sharing": {"_core", "coordinator"},
    "payloads": {"_core", "joblib_internals", "user_code", "sharing"},
    "checkpoint": {"_core", "joblib_internals", "payloads"},
    "calls": {"_core", "coordinator", "joblib_internals", "user_code", "checkpoint", "payloads", "sharing"},
    "serving": {"_core", "session"},
    "kernel": {"joining", "thread_limits"},
    # `program` has the exit status that a SystemExit asks for.
    "executor": {
        "_core",
        "_mpi",
        "launcher_environment",
        "payloads",
        "program",
        "sharing",
        "thread_limits",
        "worker_identity",
    },
}


def imported_by(path):
    """Return the folders and files of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "joblib_mpi":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("joblib_mpi."):
            found.add(node.module.split(".")[1])
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: imports by full names"
    return found


def test_every_folder_has_its_place():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(ALLOWED)


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_folder_imports_only_what_is_below_it(folder):
    for path in (PACKAGE / folder).glob("*.py"):
        assert imported_by(path) <= {folder, *ALLOWED[folder]}, path.name
