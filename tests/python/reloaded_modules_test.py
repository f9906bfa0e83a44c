"""Tests of `ReloadWatch` and `follow_reloads`: modules that a program loads again reach the executors."""

import importlib
import itertools
import sys

import pytest

from joblib_mpi.payloads.reloaded_modules import ReloadWatch, follow_reloads

_numbers = itertools.count()


@pytest.fixture
def make_module(tmp_path, monkeypatch):
    """Return `make_module(source)`, which writes and imports a new module and returns it with a function to edit it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = []

    def make(source):
        name = f"module_to_reload_{next(_numbers)}"
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        importlib.invalidate_caches()
        made.append(name)
        return importlib.import_module(name), path.write_text

    yield make
    for name in made:
        sys.modules.pop(name, None)


def test_modules_that_were_imported_once_are_not_counted(make_module):
    make_module("value = 1")
    watch = ReloadWatch()
    make_module("value = 1")
    assert watch.generations() == {}
    assert watch.generations() == {}


@pytest.mark.parametrize("is_new", [True, False])
def test_each_reload_counts(make_module, is_new):
    watch = ReloadWatch() if is_new else None
    module, _ = make_module("value = 1")
    watch = watch or ReloadWatch()
    seen = []
    for _ in range(2):
        watch.generations()
        importlib.reload(module)
        seen.append(watch.generations())
    assert seen == [{module.__name__: 1}, {module.__name__: 2}]


def test_a_module_that_is_imported_anew_counts(make_module):
    module, _ = make_module("value = 1")
    watch = ReloadWatch()
    del sys.modules[module.__name__]
    assert watch.generations() == {}
    importlib.import_module(module.__name__)
    assert watch.generations() == {module.__name__: 1}


def test_installed_modules_are_not_looked_at():
    watch = ReloadWatch()
    importlib.reload(pytest)
    assert watch.generations() == {}


def test_modules_come_before_those_that_import_them(make_module):
    watch = ReloadWatch()
    first, _ = make_module("value = 1")
    second, _ = make_module("value = 1")
    watch.generations()
    importlib.reload(first)
    watch.generations()
    importlib.reload(second)
    assert list(watch.generations()) == [second.__name__, first.__name__]


def test_only_modules_with_a_new_number_are_loaded_again(make_module):
    module, edit = make_module("value = 1")
    edit("value = 2")
    assert list(follow_reloads({module.__name__: 1, "not_imported_here": 1}, {module.__name__: 1})) == []
    assert module.value == 1
    assert list(follow_reloads({module.__name__: 2}, {module.__name__: 1})) == []
    assert module.value == 2


def test_a_module_that_fails_is_named_and_stops_no_other(make_module):
    bad, edit_bad = make_module("value = 1")
    good, edit_good = make_module("value = 1")
    edit_bad("1 / 0")
    edit_good("value = 2")
    [(name, error)] = follow_reloads({bad.__name__: 1, good.__name__: 1}, {})
    assert (name, type(error), good.value) == (bad.__name__, ZeroDivisionError, 2)
