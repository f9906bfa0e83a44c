"""Tests of `module_files` and `ModuleFiles`: which modules can be sent, and as which bytes."""

import io
import json
import os
import sys
import types
import zipfile

import numpy
import pytest

from joblib_mpi.payloads import module_files as tested
from joblib_mpi.payloads.module_files import module_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder that is first on sys.path; modules of it are forgotten after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def names_in(packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.namelist()


def test_a_file_is_sent_by_name_or_as_a_module(folder):
    write(folder / "shipped_one.py", "ONE = 1\n")
    by_name = module_files("shipped_one")
    assert "shipped_one" not in sys.modules
    import shipped_one

    assert module_files(shipped_one) == by_name
    with zipfile.ZipFile(io.BytesIO(by_name.packed())) as archive:
        assert archive.read("shipped_one.py") == b"ONE = 1\n"


def test_a_package_is_sent_with_its_data_and_without_what_python_has_made_of_it(folder):
    for name in ("__init__.py", "part/__init__.py", "table.csv", "__pycache__/x.pyc", ".git/config", "old.pyc"):
        write(folder / "shipped_two" / name)
    assert names_in(module_files("shipped_two").packed()) == [
        os.path.join("shipped_two", name) for name in ("__init__.py", "table.csv", os.path.join("part", "__init__.py"))
    ]


def test_equal_files_have_equal_bytes_and_changed_ones_others(folder):
    write(folder / "shipped_three.py", "x = 1\n")
    files = module_files("shipped_three")
    first = files.packed()
    os.utime(folder / "shipped_three.py", (1, 1))
    assert files.packed() == first
    write(folder / "shipped_three.py", "x = 2\n")
    assert files.packed() != first


def test_what_cannot_be_sent_is_refused_with_what_to_do(folder):
    write(folder / "shipped_space" / "part.py")
    write(folder / "shipped_package" / "__init__.py")
    made = types.ModuleType("shipped_made")
    for module, said in [
        ("__main__", "is the script"),
        ("os.path", 'part of the package "os"; name the package'),
        (json, "part of Python"),
        (sys, "part of Python"),
        ("shipped_nowhere", "there is no module"),
        ("shipped_space", "without __init__.py"),
        (made, "was made by the program"),
        (numpy, "has the compiled part"),
    ]:
        with pytest.raises(ValueError, match=said):
            module_files(module).packed()
    with pytest.raises(TypeError, match="3 is neither a module nor the name of one"):
        module_files(3)


def test_files_that_take_too_much_are_refused_with_the_values(folder, monkeypatch):
    monkeypatch.setattr(tested, "MOST_BYTES", 10)
    write(folder / "shipped_large.py", "x" * 11)
    with pytest.raises(ValueError, match="take 11 bytes; allowed: 10"):
        module_files("shipped_large").packed()


def test_few_archives_are_kept_and_one_of_each_module(tmp_path):
    for number in range(100):
        (tmp_path / str(number)).mkdir()
        for name in ("always_the_same", f"another{number}"):
            path = tmp_path / str(number) / f"{name}.py"
            path.write_text(f"NUMBER = {number}\n")
            tested.ModuleFiles(name, str(path)).packed()
    kept = tested._packed
    assert len(kept) < 20
    assert "another99" in kept
    assert list(kept).count("always_the_same") == 1
