"""Tests of `ShippedModules`: an executor imports what was sent, until it is to stop, and leaves nothing behind."""

import importlib
import io
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from joblib_mpi.executor import shipped_modules as tested
from joblib_mpi.executor.shipped_modules import ShippedModules
from joblib_mpi.payloads.task_context import ShippedModule
from support.time_limits import END_SECONDS


def archive(**files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in files.items():
            packed.writestr(f"{name}.py", text)
    return content.getvalue()


@pytest.fixture
def objects():
    """Return the shared objects by id."""
    return {}


@pytest.fixture
def forgotten():
    """Return a list that grows each time that kept functions are to be forgotten."""
    return []


@pytest.fixture
def modules(objects, forgotten, tmp_path, monkeypatch):
    monkeypatch.setattr(tested.tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    modules = ShippedModules(objects.__getitem__, lambda: forgotten.append(1))
    yield modules
    modules.leave()
    modules.remove()
    deadline = time.monotonic() + END_SECONDS
    while os.listdir(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert os.listdir(tmp_path) == []


def ship(objects, text, name="shipped_here"):
    object_id = len(objects) + 1
    objects[object_id] = archive(**{name: text})
    return (ShippedModule(name, objects[object_id], object_id),)


def value():
    return importlib.import_module("shipped_here").x


def test_a_module_can_be_imported_until_it_is_left(modules, objects):
    path = list(sys.path)
    modules.enter(ship(objects, "x = 1"))
    assert value() == 1
    modules.leave()
    assert sys.path == path
    assert "PYTHONPATH" not in os.environ
    with pytest.raises(ModuleNotFoundError):
        value()


def test_its_files_are_for_this_user_alone(modules, objects):
    modules.enter(ship(objects, "x = 1"))
    value()
    folder = Path(sys.modules["shipped_here"].__file__).parent.parent
    assert folder.stat().st_mode & 0o777 == 0o700


def test_it_goes_before_a_module_of_the_same_name_which_comes_back(modules, objects, tmp_path_factory, monkeypatch):
    own = tmp_path_factory.mktemp("own")
    (own / "shipped_here.py").write_text("x = 'own'")
    monkeypatch.syspath_prepend(str(own))
    before = importlib.import_module("shipped_here")
    modules.enter(ship(objects, "x = 'sent'"))
    assert value() == "sent"
    modules.leave()
    assert sys.modules.pop("shipped_here") is before


def test_a_changed_module_takes_the_place_of_the_one_before_and_kept_functions_are_forgotten(
    modules, objects, forgotten
):
    first, second = ship(objects, "x = 1"), ship(objects, "x = 2")
    for shipped, expected, n_forgotten in [(first, 1, 1), (first, 1, 1), (second, 2, 2)]:
        modules.enter(shipped)
        assert value() == expected
        modules.leave()
        assert len(forgotten) == n_forgotten


def test_calls_that_take_turns_find_their_modules_as_they_left_them(modules, objects):
    first, second = ship(objects, "x = 1"), ship(objects, "x = 2")
    seen = []
    for shipped in (first, second, first):
        modules.enter(shipped)
        value()
        seen.append(sys.modules["shipped_here"])
        modules.leave()
    assert seen[0] is seen[2]
    assert seen[0] is not seen[1]


def test_of_many_versions_only_some_are_kept(modules, objects, tmp_path):
    for number in range(tested.KEPT_SETS + 3):
        modules.enter(ship(objects, f"x = {number}"))
        assert value() == number
        modules.leave()
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == tested.KEPT_SETS


def test_programs_that_a_task_starts_find_it(modules, objects):
    modules.enter(ship(objects, "x = 5"))
    program = "import shipped_here; print(shipped_here.x)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "5\n"
