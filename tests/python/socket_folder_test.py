"""Tests of the folder of a job's socket: where it is made, and for whom."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from joblib_mpi import SessionError
from joblib_mpi.serving import socket_folder
from support.serving_double import listening


@pytest.fixture
def folder(monkeypatch):
    """Return a folder with a short path, which is the user's alone, with neither XDG_RUNTIME_DIR nor TMPDIR set."""
    folder = Path(tempfile.mkdtemp(prefix="jm"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("TMPDIR", raising=False)
    yield folder
    shutil.rmtree(folder)


def parent_of_socket():
    """Return the folder in which the folder of a socket is made."""
    path = socket_folder.make()
    own = os.path.dirname(path)
    assert stat.S_IMODE(os.stat(own).st_mode) == 0o700
    with listening(path):  # the address has room for it
        pass
    socket_folder.freshen(path)
    socket_folder.remove(path)
    assert not os.path.exists(own)
    return os.path.dirname(own)


def test_the_runtime_folder_comes_before_tmpdir_and_that_before_tmp(folder, monkeypatch):
    assert parent_of_socket() == "/tmp"
    for variable in ("TMPDIR", "XDG_RUNTIME_DIR"):
        (folder / variable).mkdir(0o700)
        monkeypatch.setenv(variable, str(folder / variable))
        assert parent_of_socket() == str(folder / variable)


@pytest.mark.parametrize("trouble", ["mode", "missing", "relative", "file", "owner", "login"])
def test_a_runtime_folder_that_is_not_safe_or_does_not_last_is_left_alone(folder, monkeypatch, trouble):
    runtime = folder / "run"
    if trouble == "file":
        runtime.touch(0o600)
    elif trouble != "missing":
        runtime.mkdir(0o755 if trouble == "mode" else 0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "run" if trouble == "relative" else str(runtime))
    monkeypatch.chdir(folder)
    me = os.geteuid()
    if trouble == "owner":
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    if trouble == "login":
        realpath = os.path.realpath
        monkeypatch.setattr(
            os.path, "realpath", lambda path: f"/run/user/{me}" if path == str(runtime) else realpath(path)
        )
        monkeypatch.setattr(os.path, "exists", lambda path: "linger" not in str(path) and os.access(path, os.F_OK))
    assert parent_of_socket() == "/tmp"


def test_a_path_that_is_too_long_for_a_socket_is_passed_over(folder, monkeypatch):
    deep = folder / ("x" * 100)
    deep.mkdir(0o700)
    monkeypatch.setenv("TMPDIR", str(deep))
    assert parent_of_socket() == "/tmp"
    fits = folder / ("y" * (107 - len(str(folder)) - len("//joblib-mpi-serve-12345678/socket")))
    fits.mkdir(0o700)
    monkeypatch.setenv("TMPDIR", str(fits))
    assert parent_of_socket() == str(fits)


def test_without_any_folder_the_error_names_those_that_were_tried(folder, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(folder / "none"))

    def refuse(path, mode):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "mkdir", refuse)
    noted = []
    with pytest.raises(SessionError, match=r"none: Read-only file system; /tmp: .*set TMPDIR"):
        socket_folder.make(noted.append)
    assert [os.path.basename(path) for path in noted] == ["socket", "socket"]


def test_only_its_own_folders_are_removed(folder):
    other = folder / "precious" / "socket"
    other.parent.mkdir()
    with listening(other):
        socket_folder.remove(str(other))
    assert other.exists()
    path = Path(socket_folder.make())
    path.write_text("no socket")
    socket_folder.remove(str(path))
    assert path.read_text() == "no socket"
    shutil.rmtree(path.parent)
